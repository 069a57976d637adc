using static TorchSharp.torch;

namespace LmKit;

/// <summary>Ancestral sampling: each step reveals a masked position with probability (alpha_s - alpha_t) / (1 - alpha_t), drawn from the network.</summary>
/// <remarks>The official "ddpm" sampler of MDLM and "ancestral" of DUO and DiDi-Instruct: one network call a step.</remarks>
/// <param name="denoiser">The network; not disposed.</param>
/// <param name="options">How to walk.</param>
/// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
public sealed class AncestralSampler(IDenoiser denoiser, DiffusionSamplerOptions? options = null, NoiseSchedule? schedule = null)
    : DiffusionSampler(denoiser, schedule, options ?? new DiffusionSamplerOptions())
{
    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        walk.Ledger.DenoiserForwards++;
        var logProbabilities = Denoise(tokens, Time(stepIndex));
        var weights = DiffusionSteps.Ancestral(logProbabilities, Scalar(Schedule.Alpha(Time(stepIndex))), Scalar(Schedule.Alpha(Time(stepIndex + 1))), MaskId);
        var drawn = CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape));
        return where(tokens.eq(MaskId), drawn, tokens);
    }
}
