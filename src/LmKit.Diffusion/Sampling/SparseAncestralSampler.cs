using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Ancestral sampling that pays for the vocabulary only at positions it reveals; the same distribution as <see cref="AncestralSampler"/>.</summary>
/// <remarks>Which positions a step reveals does not depend on the network, so it is drawn first; a step that reveals nothing makes no
/// call. A batch that is all masks gives every row the same result without time conditioning: one row is computed.</remarks>
/// <param name="denoiser">The network; one that is no <see cref="ISplitDenoiser"/> computes whole grids.</param>
/// <param name="options">How to walk.</param>
/// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
public sealed class SparseAncestralSampler(IDenoiser denoiser, DiffusionSamplerOptions? options = null, NoiseSchedule? schedule = null)
    : DiffusionSampler(denoiser, schedule, options ?? new DiffusionSamplerOptions())
{
    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        var (before, after) = (Schedule.Alpha(Time(stepIndex)), Schedule.Alpha(Time(stepIndex + 1)));
        var isRevealed = tokens.eq(MaskId).logical_and(walk.Uniforms(tokens.shape).to(tokens.device).lt((after - before) / (1 - before)));
        var counts = HostValues.Read(isRevealed.sum(1));
        if (counts.All(count => count == 0))
        {
            walk.Ledger.SavedForwards++;
            return tokens.alias();
        }
        walk.Ledger.DenoiserForwards++;
        var index = isRevealed.view(-1).nonzero().squeeze(1); // (R), row after row
        var rows = DiffusionTruncation.Apply(Rows(tokens, index, Time(stepIndex)), Options.Temperature, Options.TopP); // (R, V)
        var drawn = CategoricalDraw.Sample(rows.exp(), Uniforms(walk, counts, rows.size(-1)));
        return tokens.clone().view(-1).index_copy(0, index, drawn).view(tokens.shape);
    }

    private Tensor Rows(Tensor tokens, Tensor index, double time)
    {
        var isUniform = !Denoiser.IsTimeConditioned && tokens.eq(tokens.narrow(0, 0, 1)).all().ToBoolean();
        var asked = isUniform ? tokens.narrow(0, 0, 1) : tokens;
        var at = isUniform ? index.remainder(tokens.size(1)) : index;
        if (Denoiser is not ISplitDenoiser split || tokens.lt(0).any().ToBoolean())
            return Call(asked, time).flatten(0, 1).index_select(0, at);
        var level = full(asked.size(0), Level(time), ScalarType.Float64, asked.device);
        var rows = HalfPrecision.Widen(split.LogProbabilities(split.Hidden(asked, level).flatten(0, 1).index_select(0, at)));
        NotFiniteLogitsException.Check(rows, at.div(tokens.size(1), RoundingMode.floor));
        return rows;
    }

    // Each row draws from its own numbers, as many as it reveals, so that rows do not depend on each other.
    private static Tensor Uniforms(DiffusionWalk walk, long[] counts, long vocabSize)
    {
        var total = counts.Sum();
        if (walk.Rows is null)
            return walk.Uniforms(total, vocabSize);
        return cat([.. counts.Select((count, row) => walk.Rows.Next(row, count, vocabSize))], 0);
    }
}
