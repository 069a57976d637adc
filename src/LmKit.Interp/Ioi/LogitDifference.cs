using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The IOI metric: logit of the indirect object less logit of the subject, and whether the former is the largest of all.</summary>
public static class LogitDifference
{
    /// <summary>Mean difference over prompts.</summary>
    /// <param name="logits">Logits (B, V) at the last place.</param>
    /// <param name="batch">The prompts.</param>
    public static double Mean(Tensor logits, IoiBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        return batch.Score(logits);
    }

    /// <summary>The difference of each prompt (B) in float64; the caller disposes it.</summary>
    /// <param name="logits">Logits (B, V) at the last place.</param>
    /// <param name="batch">The prompts.</param>
    public static Tensor Each(Tensor logits, IoiBatch batch)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        logits = HalfPrecision.Widen(logits); // one rounding, of each logit, is enough
        var difference = logits.gather(1, batch.Answers.to(logits.device).unsqueeze(1)) - logits.gather(1, batch.Subjects.to(logits.device).unsqueeze(1));
        return difference.squeeze(1).to(ScalarType.Float64).MoveToOuterDisposeScope();
    }

    /// <summary>Share of prompts whose largest logit over the whole vocabulary is the indirect object's.</summary>
    public static double Accuracy(Tensor logits, IoiBatch batch)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        return logits.argmax(1).eq(batch.Answers.to(logits.device)).to(ScalarType.Float64).mean().item<double>();
    }
}
