using System.ComponentModel.DataAnnotations;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Options of the linear head.</summary>
public sealed class LinearHeadOptions
{
    /// <summary>Whether the head has a bias. Default false; GPT-J and Phi have one.</summary>
    public bool HasBias { get; set; }

    /// <summary>Whether a head of its own starts at zero, weight and bias, so that a new model gives every token the same chance (DiT).
    /// Default false; a tied head cannot.</summary>
    public bool StartsAtZero { get; set; }

    /// <summary>Soft cap c of the logits: c tanh(logits / c) (final_logit_softcapping, Gemma 2: 30); 0 for none, the default.</summary>
    [Range(0.0, 1e6)]
    public double SoftCap { get; set; }

    /// <summary>Factor of the logits, before the soft cap. Default 1.</summary>
    [Range(-1e6, 1e6)]
    public double Scale { get; set; } = 1;
}

/// <summary>The head that is one linear, over the embedding's table or of its own.</summary>
public static class HeadComponents
{
    /// <summary>The linear head: logits = cap(scale * (h W^T + b)).</summary>
    public static readonly Kind<LinearHeadOptions, LanguageModelHead> Linear = Slots.Head.Define<LinearHeadOptions>("linear", Create);

    /// <summary>Chooses the linear head; the default. <see cref="LanguageModelOptions.IsHeadTied"/> says whether its weight is the embedding's.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddLinearHead(this LanguageModelBuilder builder, Action<LinearHeadOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Linear, configure);
    }

    private static LanguageModelHead Create(LinearHeadOptions options, HeadSite site)
    {
        var (scale, cap) = (options.Scale, options.SoftCap);
        if (options.StartsAtZero && site.IsTied)
            throw new ArgumentException($"{nameof(LinearHeadOptions)}.{nameof(options.StartsAtZero)} = true cannot be obeyed by a head that is tied to the embedding; set {nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsHeadTied)} to false.");
        return new LanguageModelHead(site.Linear(options.HasBias, options.StartsAtZero), scale == 1 && cap == 0 ? null : Transform);

        Tensor Transform(Tensor logits)
        {
            using var scope = NewDisposeScope();
            var scaled = scale == 1 ? logits : logits * scale;
            return (cap == 0 ? scaled : (scaled / cap).tanh() * cap).MoveToOuterDisposeScope();
        }
    }
}
