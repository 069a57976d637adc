using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A student's walk from all masks to a sample in K scored steps, with the last states kept for the regularisers.</summary>
/// <param name="Tokens">The sample (B, L); a few masks may survive.</param>
/// <param name="LogProbability">ln p (B) of the whole trajectory, with its graph.</param>
/// <param name="Times">tau (B): the time of corruption, one of the intermediate times.</param>
/// <param name="States">The last two states, the student's log-probabilities there and the noise levels it saw.</param>
internal sealed record StudentRollout(Tensor Tokens, Tensor LogProbability, Tensor Times, (Tensor Tokens, Tensor LogProbabilities, Tensor Level)[] States)
{
    private const double LastTime = 1e-3;

    /// <summary>Times (B, K - 1) in falling order, equal within a group where asked, and the index of the one that corrupts.</summary>
    internal static (Tensor Times, Tensor Chosen) DrawTimes(DiDiInstructOptions options, Generator random)
    {
        using var scope = NewDisposeScope();
        var rows = options.SharesTimes ? options.GroupCount : options.GroupCount * options.GroupSize;
        var drawn = rand([rows, options.RolloutSteps - 1], ScalarType.Float64, generator: random);
        var times = sort(drawn, 1, descending: true).values * (1 - 2 * options.TimeMargin) + options.TimeMargin;
        var chosen = randint(0, options.RolloutSteps - 1, [rows, 1], dtype: ScalarType.Int64, generator: random);
        if (options.SharesTimes)
            (times, chosen) = (times.repeat_interleave(options.GroupSize, 0), chosen.repeat_interleave(options.GroupSize, 0));
        return (times.MoveToOuterDisposeScope(), times.gather(1, chosen).squeeze(1).MoveToOuterDisposeScope());
    }

    /// <summary>Walks; the tensors belong to the caller's scope.</summary>
    internal static StudentRollout Walk(IDenoiser student, NoiseSchedule schedule, Tensor times, Tensor chosen, long length, Generator random)
    {
        var batch = times.size(0);
        var device = times.device;
        var tokens = full(batch, length, student.MaskId, ScalarType.Int64, device);
        var before = ones(batch, 1, dtype: ScalarType.Float64, device: device);
        var states = new List<(Tensor, Tensor, Tensor)>();
        Tensor? total = null;
        var count = times.size(1) + 1;
        for (var k = 0L; k < count; k++)
        {
            var after = k < count - 1 ? times.narrow(1, k, 1) : full_like(before, LastTime);
            var level = NoiseSchedule.Map(before.squeeze(1), schedule.Sigma);
            var logProbabilities = student.call(tokens, level);
            var uniforms = rand(logProbabilities.shape, ScalarType.Float64, generator: random).to(device);
            var draw = ScoredDraw.Of(logProbabilities, tokens, NoiseSchedule.Map(before, schedule.Alpha), NoiseSchedule.Map(after, schedule.Alpha), student.MaskId, uniforms);
            states.Add((tokens, logProbabilities, level));
            total = total is null ? draw.LogProbability : total + draw.LogProbability;
            (tokens, before) = (draw.Tokens, after);
        }
        return new StudentRollout(tokens, total!, chosen, [.. states.TakeLast(2)]);
    }
}
