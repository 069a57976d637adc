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
        if (walk.Kept(Cache) is null)
        {
            walk.Ledger.DenoiserForwards++;
            walk.Keep(Cache, Denoise(tokens, Time(stepIndex)));
        }
        else
        {
            walk.Ledger.SavedForwards++;
        }
        var weights = DiffusionSteps.Ancestral(walk.Kept(Cache)!, Scalar(Clean(stepIndex)), Scalar(Clean(stepIndex + 1)), MaskId);
        var drawn = CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape));
        var next = where(tokens.eq(MaskId), drawn, tokens);
        if (Denoiser.IsTimeConditioned || !next.eq(tokens).all().ToBoolean())
            walk.Keep(Cache, null);
        return next;
    }

    private double Clean(int step) => revealsByTime ? 1 - Time(step) : Schedule.Alpha(Time(step));
}
