namespace LmKit.Experiments;

/// <summary>A way to show a trained model what lies behind its trained length.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="Change">Changes a model whose positions and masks are plain.</param>
internal sealed record LongPolicy(string Name, Func<LanguageModelBuilder, LanguageModelBuilder> Change)
{
    internal static readonly LongPolicy Vanilla = new("vanilla", builder => builder);

    /// <summary>The ceiling alone.</summary>
    internal static LongPolicy CeilingOnly(long ceiling) => new("ceiling only", builder => builder.AddCeilingMask(mask => mask.DistanceCeiling = ceiling));

    /// <summary>The last L tokens alone.</summary>
    internal static LongPolicy Window(long window) => new("window only", builder => builder.AddSlidingWindowMask(mask => mask.Window = window));

    /// <summary>The Lambda mask at D = L.</summary>
    internal static LongPolicy Lambda(long window, long starts) => new($"Lambda G = {starts}", builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (window, starts)));

    /// <summary>StreamingLLM's cache of starting and recent tokens.</summary>
    internal static LongPolicy Streaming(long starts, long recent) => new($"StreamingLLM {starts} + {recent}", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (starts, recent)));

    /// <summary>The Lambda mask with the best k tokens of the middle, in every layer and for the last query of each call.</summary>
    internal static LongPolicy Middle(long window, long starts, int k) => new($"Lambda G = {starts}, middle k = {k}", builder => builder.AddLambdaMask(mask =>
    {
        (mask.LocalLength, mask.GlobalLength) = (window, starts);
        mask.Middle = new TopKMiddleOptions { TopK = k, FromLayer = 0 };
    }));

    /// <summary>A larger rotary base.</summary>
    internal static LongPolicy Ntk(double factor) => new("NTK", builder => builder.AddRotary(rotary => rotary.Scaling = new NtkRotaryScaling { Factor = factor }));

    /// <summary>The model under this policy over the same tensors; the one it was is gone.</summary>
    /// <param name="model">The model.</param>
    /// <param name="hasRotary">Whether its attention has rotary positions.</param>
    internal LanguageModel Apply(LanguageModel model, bool hasRotary = true) => model.With(builder => Change((hasRotary ? builder.AddRotary() : builder.AddNoPositions()).AddCausalMask()));
}
