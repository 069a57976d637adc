using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Ancestral sampling that asks the network only after a token has changed (the official "ddpm_cache").</summary>
/// <remarks>About N (1 - (1 - 1/N)^(B L)) calls of N steps; networks with time conditioning are asked at every step.</remarks>
public sealed class CachedAncestralSampler : DiffusionSampler
{
    private const string Cache = "log_probabilities";

    private readonly bool revealsByTime;

    /// <summary>Makes the sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="options">How to walk.</param>
    /// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
    public CachedAncestralSampler(IDenoiser denoiser, CachedAncestralSamplerOptions? options = null, NoiseSchedule? schedule = null)
        : base(denoiser, schedule, options ?? new CachedAncestralSamplerOptions())
    {
        revealsByTime = (options ?? new CachedAncestralSamplerOptions()).RevealsByTime;
    }

    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        var masked = MaskedPositions.Of(tokens, MaskId);
        if (walk.Kept(Cache) is null)
        {
            walk.Ledger.DenoiserForwards++;
            walk.Keep(Cache, DenoiseRows(walk, tokens, masked.Index, Time(stepIndex))); // (R, V) of the same positions as long as no token changes
        }
        else
        {
            walk.Ledger.SavedForwards++;
        }
        var next = Reveal(walk, tokens, masked, walk.Kept(Cache)!, Clean(stepIndex), Clean(stepIndex + 1));
        if (Denoiser.IsTimeConditioned || !next.eq(tokens).all().ToBoolean())
            walk.Keep(Cache, null);
        return next;
    }

    private double Clean(int step) => revealsByTime ? 1 - Time(step) : Schedule.Alpha(Time(step));
}
