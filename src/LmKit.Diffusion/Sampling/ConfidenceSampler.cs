using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Confidence-threshold parallel decoding: each step reveals every token the network is sure of, and at least as many of the
/// surest as it takes to be done in time.</summary>
/// <remarks>With m positions masked and s steps left a row reveals ceil(m / s) or more, so that <see cref="DiffusionSamplerOptions.StepCount"/>
/// calls suffice and easy text takes fewer. Taking the surest first is no draw from the model: it repeats itself more than
/// <see cref="AncestralSampler"/> does.</remarks>
public sealed class ConfidenceSampler : DiffusionSampler
{
    private readonly ConfidenceSamplerOptions options;

    /// <summary>Makes the sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="options">How to walk and what is sure.</param>
    /// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
    public ConfidenceSampler(IDenoiser denoiser, ConfidenceSamplerOptions? options = null, NoiseSchedule? schedule = null)
        : base(denoiser, schedule, options ??= new ConfidenceSamplerOptions()) => this.options = (ConfidenceSamplerOptions)Options;

    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        walk.Ledger.DenoiserForwards++;
        var masked = MaskedPositions.Of(tokens, MaskId);
        var probabilities = DenoiseRows(walk, tokens, masked.Index, Time(stepIndex)).exp(); // (R, V)
        var drawn = options.IsDrawn ? walk.Draw(masked, probabilities, tokens.size(0), tokens.size(1)) : probabilities.argmax(-1); // (R)
        var candidates = masked.Fill(drawn);
        var isMasked = tokens.eq(MaskId);
        var picked = probabilities.gather(-1, drawn.unsqueeze(-1)).squeeze(-1);
        var sureness = full(tokens.numel(), -1, picked.dtype, tokens.device).index_copy_(0, masked.Index, picked).view(tokens.shape); // (B, L)
        var rank = sureness.argsort(1, descending: true).argsort(1); // 0 for the surest of a row
        var left = options.StepCount - stepIndex;
        var needed = (isMasked.sum(1, keepdim: true) + (left - 1)).div(left, RoundingMode.floor); // (B, 1)
        var isRevealed = isMasked.logical_and(sureness.gt(options.Threshold).logical_or(rank.lt(needed)));
        return where(isRevealed, candidates, tokens);
    }
}
