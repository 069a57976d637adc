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
        var masked = MaskedPositions.Of(tokens, MaskId);
        var logProbabilities = DenoiseRows(walk, tokens, masked.Index, Time(stepIndex)); // (R, V)
        return Reveal(walk, tokens, masked, logProbabilities, Schedule.Alpha(Time(stepIndex)), Schedule.Alpha(Time(stepIndex + 1)));
    }
}
