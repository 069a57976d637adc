using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The analytic (Tweedie) sampler of score-entropy diffusion, on the score that SUBS log-probabilities imply.</summary>
/// <remarks>Every position is redrawn at each step; a revealed one has all its weight on itself. The last noise is removed by a final
/// analytic draw, whatever <see cref="DiffusionSamplerOptions.NoiseRemoval"/> says, unless it says none.</remarks>
/// <param name="denoiser">The network; not disposed.</param>
/// <param name="options">How to walk.</param>
/// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
public sealed class AnalyticSampler(IDenoiser denoiser, DiffusionSamplerOptions? options = null, NoiseSchedule? schedule = null)
    : DiffusionSampler(denoiser, schedule, options ?? new DiffusionSamplerOptions())
{
    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        walk.Ledger.DenoiserForwards++;
        var (before, after) = (Schedule.Sigma(Time(stepIndex)), Schedule.Sigma(Time(stepIndex + 1)));
        return Draw(walk, tokens, Time(stepIndex), before, before - after, isLast: false);
    }

    /// <inheritdoc/>
    protected override Tensor Finish(DiffusionWalk walk, Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        if (Options.NoiseRemoval == NoiseRemoval.None)
            return tokens.alias();
        walk.Ledger.NoiseRemovalForwards++;
        var sigma = Schedule.Sigma(Options.EndTime);
        return Draw(walk, tokens, Options.EndTime, sigma, sigma, isLast: true);
    }

    private Tensor Draw(DiffusionWalk walk, Tensor tokens, double time, double sigma, double delta, bool isLast)
    {
        var score = DiffusionSteps.Score(Denoise(walk, tokens, time), tokens, Scalar(sigma).expand(tokens.size(0), 1), MaskId);
        var weights = DiffusionSteps.Analytic(score, tokens, Scalar(delta).expand(tokens.size(0), 1), MaskId, isLast);
        return where(walk.Fixed, tokens, CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape)));
    }
}
