using static TorchSharp.torch;

namespace LmKit;

/// <summary>A way to show a model the tokens behind it, by which a diagnosis tells what fails beyond the trained length.</summary>
public enum LengthPolicy
{
    /// <summary>The model as it is: all earlier tokens, at true distances.</summary>
    Vanilla,

    /// <summary>All earlier tokens, none shown farther than D: min(i - j, D).</summary>
    CeilingOnly,

    /// <summary>The last L tokens and the first G, at true distances.</summary>
    MaskOnly,

    /// <summary>The last L tokens.</summary>
    WindowOnly,

    /// <summary>The last L tokens and the first G, the latter at distance D once they leave the window (LM-Infinite).</summary>
    Lambda,
}

/// <summary>The policies as changes of a model.</summary>
internal static class LengthPolicies
{
    /// <summary>What shows a model its tokens by a policy.</summary>
    /// <param name="policy">The policy.</param>
    /// <param name="lambda">L, G and D.</param>
    /// <param name="layers">The layers that it goes to.</param>
    internal static Action<LanguageModelBuilder> Change(LengthPolicy policy, LambdaMaskOptions lambda, int[] layers)
    {
        var ceiling = lambda.DistanceCeiling ?? lambda.LocalLength;
        return policy switch
        {
            LengthPolicy.Vanilla => _ => { }
            ,
            LengthPolicy.CeilingOnly => builder => builder.AddCeilingMask(mask => mask.DistanceCeiling = ceiling, layers),
            LengthPolicy.MaskOnly => builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (lambda.LocalLength, lambda.GlobalLength, true), layers),
            LengthPolicy.WindowOnly => builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (lambda.LocalLength, 0), layers),
            LengthPolicy.Lambda => builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (lambda.LocalLength, lambda.GlobalLength, ceiling), layers),
            _ => throw new ArgumentOutOfRangeException(nameof(policy), policy, "It is not a policy."),
        };
    }

    /// <summary>The layers whose attention sees all earlier tokens.</summary>
    /// <exception cref="ArgumentException">There is none; says what masks the model has instead.</exception>
    internal static int[] Layers(LanguageModel model)
    {
        var layers = Attentions(model).Where(one => one.Attention.Mask.IsPlainCausal).Select(one => one.Layer).Distinct().ToArray();
        if (layers.Length > 0)
            return layers;
        var masks = Attentions(model).Select(one => one.Attention.Mask.ToString()).Distinct().ToArray();
        throw new ArgumentException(
            masks.Length == 0 ? "The model has no attention, so no length is beyond what its attention was trained on." : $"Every attention of the model has a mask of its own ({string.Join(", ", masks)}); take it off first, as by With(builder => builder.AddCausalMask()).",
            nameof(model));
    }

    private static IEnumerable<(int Layer, Attention Attention)> Attentions(LanguageModel model) =>
        model.Blocks.Index().SelectMany(block => ((nn.Module)block.Item).modules().OfType<Attention>().Select(attention => (block.Index, attention)));
}
