using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A student's walk to a sample in K scored steps, with the last states kept for the regularisers.</summary>
/// <param name="Tokens">The sample (B, L); a few masks may survive.</param>
/// <param name="LogProbability">ln p (B) of the whole trajectory, with its graph.</param>
/// <param name="States">The last two states, the student's log-probabilities there and the noise levels it saw.</param>
internal sealed record StudentRollout(Tensor Tokens, Tensor LogProbability, (Tensor Tokens, Tensor LogProbabilities, Tensor Level)[] States)
{
    private const double LastTime = 1e-3;
    private const int KeptStates = 2;

    /// <summary>The walk's times (B, n) in falling order, 1 and the last left out, and the times (B) at which samples are corrupted.</summary>
    internal static (Tensor Times, Tensor Corruption) DrawTimes(DiDiInstructOptions options, Generator random)
    {
        using var scope = NewDisposeScope();
        var rows = options.SharesTimes ? options.GroupCount : options.GroupCount * options.GroupSize;
        var count = options.Start == RolloutStart.Data ? options.RolloutSteps : options.RolloutSteps - 1;
        var times = sort(Uniform(count), 1, descending: true).values;
        var corruption = options.CouplesTime && count > 0
            ? times.gather(1, randint(0, count, [rows, 1], dtype: ScalarType.Int64, generator: random))
            : Uniform(1);
        if (options.SharesTimes)
            (times, corruption) = (times.repeat_interleave(options.GroupSize, 0), corruption.repeat_interleave(options.GroupSize, 0));
        return (times.MoveToOuterDisposeScope(), corruption.squeeze(1).MoveToOuterDisposeScope());

        Tensor Uniform(int columns) => rand([rows, columns], ScalarType.Float64, generator: random) * (1 - 2 * options.TimeMargin) + options.TimeMargin;
    }

    /// <summary>Walks; the tensors belong to the caller's scope.</summary>
    /// <param name="student">The student.</param>
    /// <param name="schedule">Its schedule.</param>
    /// <param name="scale">The scale on which it is told the noise.</param>
    /// <param name="tokens">Where the walk starts, (B, L).</param>
    /// <param name="times">The times (B, n) of the walk's states, its start's first.</param>
    /// <param name="random">Source of randomness, on the CPU.</param>
    internal static StudentRollout Walk(IDenoiser student, NoiseSchedule schedule, LevelScale scale, Tensor tokens, Tensor times, Generator random)
    {
        var states = new List<(Tensor, Tensor, Tensor)>();
        Tensor? total = null;
        for (var (k, count) = (0L, times.size(1)); k < count; k++)
        {
            var before = times.narrow(1, k, 1);
            var after = k < count - 1 ? times.narrow(1, k + 1, 1) : full_like(before, LastTime);
            var level = NoiseSchedule.Map(before.squeeze(1), time => schedule.Level(time, scale));
            var logProbabilities = HalfPrecision.Widen(student.call(tokens, level));
            var uniforms = rand(logProbabilities.shape, ScalarType.Float64, generator: random).to(tokens.device);
            var draw = ScoredDraw.Of(logProbabilities, tokens, NoiseSchedule.Map(before, schedule.Alpha), NoiseSchedule.Map(after, schedule.Alpha), student.MaskId, uniforms);
            states.Add((tokens, logProbabilities, level));
            total = total is null ? draw.LogProbability : total + draw.LogProbability;
            tokens = draw.Tokens;
        }
        return new StudentRollout(tokens, total!, [.. states.TakeLast(KeptStates)]);
    }
}

/// <summary>Where a student's rollout starts.</summary>
public enum RolloutStart
{
    /// <summary>A sequence of masks.</summary>
    Masks,

    /// <summary>Reference rows, corrupted at the first of the rollout's times.</summary>
    Data,
}
