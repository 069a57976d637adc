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
        var revealed = MaskedPositions.Where(tokens, isRevealed);
        if (revealed.IsEmpty)
        {
            walk.Ledger.SavedForwards++;
            return tokens.alias();
        }
        walk.Ledger.DenoiserForwards++;
        var rows = Rows(walk, tokens, revealed.Index, Time(stepIndex)); // (R, V)
        return revealed.Fill(walk.Draw(revealed, rows.exp(), () => walk.Uniforms(rows.shape)));
    }

    private Tensor Rows(DiffusionWalk walk, Tensor tokens, Tensor index, double time)
    {
        var isUniform = walk.Draws.IsAlike && walk.Edited is null && !Denoiser.IsTimeConditioned && tokens.size(0) > 1 && tokens.eq(tokens.narrow(0, 0, 1)).all().ToBoolean();
        if (!isUniform)
            return DenoiseRows(walk, tokens, index, time);
        // One row of the grid is asked; what it says of each place holds for all rows.
        return DenoiseRows(walk, tokens.narrow(0, 0, 1), index.remainder(tokens.size(1)), time);
    }
}
