using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>ReMDM: ancestral sampling that also takes tokens back, so that early mistakes can be mended (Wang et al. 2025).</summary>
/// <remarks>Its clean share is 1 - t exactly. Fixed positions are never taken back. Every step makes its call.</remarks>
public sealed class RemaskingSampler : DiffusionSampler
{
    private const string Confidence = "confidence";

    private readonly RemaskingSamplerOptions options;

    /// <summary>Makes the sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="options">How to walk and how much to take back.</param>
    /// <param name="schedule">The schedule it was trained on, for its conditioning; null for the log-linear one.</param>
    /// <exception cref="ArgumentException">The loop ends before it starts.</exception>
    public RemaskingSampler(IDenoiser denoiser, RemaskingSamplerOptions? options = null, NoiseSchedule? schedule = null)
        : base(denoiser, schedule, options ??= new RemaskingSamplerOptions())
    {
        if (options.Strategy == RemaskingStrategy.Loop && !(options.LoopStart > options.LoopEnd && options.LoopStart < 1))
            throw new ArgumentException(FormattableString.Invariant($"{nameof(RemaskingSamplerOptions)}.{nameof(options.LoopStart)} = {options.LoopStart} must lie between {nameof(options.LoopEnd)} = {options.LoopEnd} and 1: time runs down."), nameof(options));
        this.options = (RemaskingSamplerOptions)Options;
    }

    /// <inheritdoc/>
    protected override bool MayStop => false;

    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        walk.Ledger.DenoiserForwards++;
        var (before, after, isRemasking) = Shares(Time(stepIndex), Time(stepIndex + 1));
        var probabilities = Denoise(walk, tokens, Time(stepIndex)).exp();
        var isMasked = tokens.eq(MaskId);
        var confidence = walk.Kept(Confidence) ?? zeros(tokens.shape, probabilities.dtype, tokens.device);
        var sigma = isRemasking
            ? RemaskingSteps.Sigma(options.Strategy, options.Eta, before, after, confidence, isMasked.logical_or(walk.Fixed))
            : zeros_like(confidence);
        var weights = RemaskingSteps.Weights(probabilities, sigma, before, after, isMasked, MaskId);
        var drawn = CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape));
        var next = where(walk.Fixed, tokens, drawn);
        var picked = probabilities.gather(-1, next.clamp(min: 0).unsqueeze(-1)).squeeze(-1);
        walk.Keep(Confidence, where(isMasked.logical_and(next.ne(MaskId)), picked, confidence));
        return next;
    }

    // In the loop the clean share rests at alpha_on; before it time maps to [0, alpha_on], after it to [alpha_on, 1].
    private (double Before, double After, bool IsRemasking) Shares(double t, double s)
    {
        if (options.Strategy != RemaskingStrategy.Loop)
            return (1 - t, 1 - s, true);
        if (t > options.LoopStart)
            return (Early(t), Early(Math.Max(s, options.LoopStart)), false);
        if (t > options.LoopEnd)
            return (options.LoopShare, options.LoopShare, true);
        return (Late(t), Late(s), false);

        double Early(double time) => options.LoopShare * (1 - time) / (1 - options.LoopStart);
        double Late(double time) => 1 - (1 - options.LoopShare) * time / options.LoopEnd;
    }
}
