using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Whether two runs predict the same token.</summary>
public static class Agreement
{
    /// <summary>Share of prompts where two runs have the same largest logit over the whole vocabulary.</summary>
    /// <param name="logits">Logits (B, V) of one run.</param>
    /// <param name="others">Logits (B, V) of the other.</param>
    public static double Of(Tensor logits, Tensor others)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(others);
        using var scope = NewDisposeScope();
        return logits.argmax(1).eq(others.argmax(1)).to(ScalarType.Float64).mean().item<double>();
    }
}
