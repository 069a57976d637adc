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
        var check = new TensorCheck(nameof(Agreement));
        check.AnyFloating(logits, nameof(logits), "B V");
        check.AnyFloating(others, nameof(others), "B V");
        if (check["V"] == 0)
            throw new ArgumentException("There is no logit to compare: V is 0.", nameof(logits));
        using var scope = NewDisposeScope();
        return logits.argmax(1).eq(others.argmax(1)).to(ScalarType.Float64).mean().item<double>();
    }
}
