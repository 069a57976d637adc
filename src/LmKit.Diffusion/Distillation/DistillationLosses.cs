using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The terms of the distillers' losses; each a 0-d tensor with its graph, computed and summed in float32 or wider.</summary>
public static class DistillationLosses
{
    /// <summary>Binary cross entropy with targets 1 - s for the reference and s for the student, each averaged, then their mean.</summary>
    /// <param name="reference">Logits (B, L, 1) of corrupted reference sequences.</param>
    /// <param name="student">Logits (B, L, 1) of corrupted student samples.</param>
    /// <param name="smoothing">Label smoothing s; 0.1 officially, 0 in the recipe for small models.</param>
    /// <param name="referenceMasked">Positions (B, L) to average over, or null for all.</param>
    /// <param name="studentMasked">Likewise.</param>
    public static Tensor Discriminator(Tensor reference, Tensor student, double smoothing, Tensor? referenceMasked = null, Tensor? studentMasked = null)
    {
        CheckSide(reference, nameof(reference), referenceMasked, nameof(referenceMasked));
        CheckSide(student, nameof(student), studentMasked, nameof(studentMasked));
        if (!(smoothing is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(smoothing), smoothing, "Label smoothing lies between 0 and 1.");
        using var scope = NewDisposeScope();
        return ((Side(reference, 1 - smoothing, referenceMasked) + Side(student, smoothing, studentMasked)) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>The policy gradient -mean(w A ln p) over trajectories.</summary>
    /// <param name="weight">w (B).</param>
    /// <param name="advantage">A (B).</param>
    /// <param name="logProbability">ln p (B) of each trajectory, with its graph.</param>
    public static Tensor PolicyGradient(Tensor weight, Tensor advantage, Tensor logProbability)
    {
        var check = new TensorCheck(nameof(DistillationLosses));
        check.AnyFloating(weight, nameof(weight), "B");
        check.AnyFloating(advantage, nameof(advantage), "B");
        check.AnyFloating(logProbability, nameof(logProbability), "B");
        using var scope = NewDisposeScope();
        return (HalfPrecision.Widen(weight) * HalfPrecision.Widen(advantage) * HalfPrecision.Widen(logProbability)).mean().neg().MoveToOuterDisposeScope();
    }

    /// <summary>KL(teacher || student) averaged over the batch's masked positions; 0 when nothing is masked.</summary>
    /// <param name="teacher">The teacher's log-probabilities (B, L, V).</param>
    /// <param name="student">The student's, with their graph.</param>
    /// <param name="isMasked">(B, L) bool.</param>
    public static Tensor KullbackLeibler(Tensor teacher, Tensor student, Tensor isMasked)
    {
        CheckPair(teacher, nameof(teacher), student, isMasked);
        using var scope = NewDisposeScope();
        (teacher, student) = (HalfPrecision.Widen(teacher), HalfPrecision.Widen(student));
        return MeanOf((teacher.exp() * (teacher - student)).sum(-1), isMasked).MoveToOuterDisposeScope();
    }

    /// <summary>A divergence of self-distillation through time, averaged over the batch's masked positions.</summary>
    /// <param name="divergence">Which one.</param>
    /// <param name="target">The target's log-probabilities (B, L, V).</param>
    /// <param name="student">The student's, with their graph.</param>
    /// <param name="isMasked">(B, L) bool.</param>
    public static Tensor Of(SdttDivergence divergence, Tensor target, Tensor student, Tensor isMasked)
    {
        CheckPair(target, nameof(target), student, isMasked);
        using var scope = NewDisposeScope();
        (target, student) = (HalfPrecision.Widen(target), HalfPrecision.Widen(student));
        var difference = student - target;
        var terms = divergence switch
        {
            SdttDivergence.StudentToTarget => (student.exp() * difference).sum(-1),
            SdttDivergence.TargetToStudent => (target.exp() * -difference).sum(-1),
            SdttDivergence.SquaredError => difference.square().mean([-1L]),
            _ => difference.abs().mean([-1L]),
        };
        return MeanOf(terms, isMasked).MoveToOuterDisposeScope();
    }

    /// <summary>The mean entropy of the student's masked positions.</summary>
    public static Tensor Entropy(Tensor logProbabilities, Tensor isMasked)
    {
        CheckPair(logProbabilities, nameof(logProbabilities), logProbabilities, isMasked);
        using var scope = NewDisposeScope();
        logProbabilities = HalfPrecision.Widen(logProbabilities);
        return MeanOf((logProbabilities.exp() * logProbabilities).sum(-1).neg(), isMasked).MoveToOuterDisposeScope();
    }

    /// <summary>w = clamp(-alpha'(tau) / (1 - alpha(tau)), 0.1, 10): 1 / tau for the log-linear schedule.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="times">tau (B).</param>
    public static Tensor TimeWeight(NoiseSchedule schedule, Tensor times)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        return NoiseSchedule.Map(times, tau => Math.Clamp(schedule.Alpha(tau) * schedule.SigmaRate(tau) / -double.ExpM1(-schedule.Sigma(tau)), 0.1, 10));
    }

    private static void CheckSide(Tensor logits, string name, Tensor? isMasked, string maskName)
    {
        var check = new TensorCheck(nameof(DistillationLosses));
        check.AnyFloating(logits, name, "B L 1");
        if (isMasked is not null)
            check.Truths(isMasked, maskName, "B L");
    }

    private static void CheckPair(Tensor target, string name, Tensor student, Tensor isMasked)
    {
        var check = new TensorCheck(nameof(DistillationLosses));
        check.AnyFloating(target, name, "B L V");
        check.AnyFloating(student, nameof(student), "B L V");
        check.Truths(isMasked, nameof(isMasked), "B L");
    }

    private static Tensor Side(Tensor logits, double target, Tensor? isMasked)
    {
        var flat = HalfPrecision.Widen(logits).squeeze(-1);
        var loss = nn.functional.softplus(flat) - flat * target; // BCE with logits
        return isMasked is null ? loss.mean() : MeanOf(loss, isMasked, 1e-8);
    }

    private static Tensor MeanOf(Tensor values, Tensor isMasked, double tiny = 0)
    {
        var count = isMasked.sum().to(values.dtype);
        var sum = where(isMasked, values, zeros_like(values)).sum();
        return tiny > 0 ? sum / (count + tiny) : sum / count.clamp(min: 1);
    }
}
