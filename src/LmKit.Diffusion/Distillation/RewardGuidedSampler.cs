using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Ancestral sampling steered by a reward (RGAS): early steps tilt the logits by its gradient, late ones choose among candidates.</summary>
/// <remarks>The last noise is removed by an analytic draw of the network. The ledger lists the reward's calls as the discriminator's, which the
/// paper's count of evaluations leaves out.</remarks>
public sealed class RewardGuidedSampler : DiffusionSampler
{
    private readonly IReward reward;
    private readonly IRawDenoiser? raw;
    private readonly RewardGuidedSamplerOptions options;
    private readonly int tiltingSteps;

    /// <summary>Makes the sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="reward">The guide, such as a <see cref="Discriminator"/> in evaluation mode; not disposed.</param>
    /// <param name="options">How to steer.</param>
    /// <param name="schedule">The schedule; null for the log-linear one.</param>
    /// <exception cref="ArgumentException">The options ask for tilting by a reward that takes no soft rows, for raw outputs of a denoiser that gives
    /// none, or for temperature or top-p on raw outputs.</exception>
    public RewardGuidedSampler(IDenoiser denoiser, IReward reward, RewardGuidedSamplerOptions? options = null, NoiseSchedule? schedule = null)
        : base(denoiser, schedule, options ??= new RewardGuidedSamplerOptions())
    {
        ArgumentNullException.ThrowIfNull(reward);
        this.reward = reward;
        this.options = options = (RewardGuidedSamplerOptions)Options;
        tiltingSteps = (int)Math.Floor(options.StepCount * (1 - options.RerankingShare));
        if (!reward.TakesSoftRows && Enumerable.Range(0, options.StepCount).Any(step => Guidance(step).Scale != 0))
            throw new ArgumentException(FormattableString.Invariant($"{nameof(RewardGuidedSamplerOptions)}.{nameof(options.TiltStart)} = {options.TiltStart} and {nameof(options.TiltEnd)} = {options.TiltEnd} tilt by the gradient of {reward.GetType().Name}, which takes no soft rows ({nameof(IReward.TakesSoftRows)} = false); set both to 0."), nameof(options));
        if (!options.UsesRawOutputs)
            return;
        if (options.Temperature != 1 || options.TopP != 1)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(RewardGuidedSamplerOptions)}.{nameof(options.Temperature)} = {options.Temperature} and {nameof(options.TopP)} = {options.TopP} do not act on raw outputs ({nameof(options.UsesRawOutputs)} = true); leave both at 1, or set it to false."), nameof(options));
        raw = denoiser as IRawDenoiser ?? throw new ArgumentException($"{nameof(RewardGuidedSamplerOptions)}.{nameof(options.UsesRawOutputs)} = true needs the raw outputs of the network, which {denoiser.GetType().Name} does not give ({nameof(IRawDenoiser)}); set it to false.", nameof(options));
    }

    /// <inheritdoc/>
    private protected override IEnumerable<string> Obeyed => options.UsesRawOutputs ? [nameof(SampleRequest.Edits)] : base.Obeyed;

    /// <summary>h and M of a step.</summary>
    public (double Scale, int CandidateCount) Guidance(int stepIndex) => stepIndex < tiltingSteps
        ? (options.TiltStart + (double)stepIndex / Math.Max(1, tiltingSteps - 1) * (options.TiltEnd - options.TiltStart), 1)
        : (0, options.CandidateCount);

    /// <inheritdoc/>
    protected override Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        var (scale, count) = Guidance(stepIndex);
        var (before, after) = (Time(stepIndex), Time(stepIndex + 1));
        walk.Ledger.DenoiserForwards++;
        var outputs = raw is null ? Denoise(walk, tokens, before) : Raw(walk, tokens, before);
        if (scale != 0)
        {
            walk.Ledger.DiscriminatorForwards++;
            walk.Ledger.DiscriminatorBackwards++;
            outputs = RewardGuidance.Tilt(outputs, RewardGuidance.Gradient(reward, outputs, tokens, Level(tokens, before), MaskId), scale);
            NotFiniteLogitsException.Check(outputs, walk.InBatch());
        }
        var logProbabilities = raw is null ? SubsParameterization.OfMasked(outputs, MaskId) : outputs.log_softmax(-1);
        var weights = DiffusionSteps.Ancestral(logProbabilities, Scalar(Schedule.Alpha(before)), Scalar(Schedule.Alpha(after)), MaskId);
        if (count == 1)
            return where(tokens.eq(MaskId), CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape)), tokens);
        var (batch, length) = (tokens.size(0), tokens.size(1));
        var candidates = RewardGuidance.Candidates(weights, tokens, walk.Uniforms(batch, count, length, weights.size(-1)), MaskId); // (B, M, L)
        var flat = candidates.view(-1, length);
        walk.Ledger.DiscriminatorForwards++;
        walk.Ledger.RankedSequences += flat.size(0);
        var scores = RewardGuidance.Rank(reward, flat, Level(flat, after)).view(batch, count);
        NotFiniteLogitsException.Check(scores, walk.InBatch());
        return RewardGuidance.Choose(candidates, scores, walk.Uniforms(batch, count));
    }

    /// <inheritdoc/>
    protected override Tensor Finish(DiffusionWalk walk, Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        if (Options.NoiseRemoval == NoiseRemoval.None)
            return tokens.alias();
        walk.Ledger.NoiseRemovalForwards++;
        var sigma = Scalar(Schedule.Sigma(Options.EndTime)).expand(tokens.size(0), 1);
        var score = DiffusionSteps.Score(Denoise(walk, tokens, Options.EndTime), tokens, sigma, MaskId);
        var weights = DiffusionSteps.Analytic(score, tokens, sigma, MaskId, isLast: true);
        return where(walk.Fixed, tokens, CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape)));
    }

    private Tensor Raw(DiffusionWalk walk, Tensor tokens, double time)
    {
        var network = walk.Edited is null ? raw! : walk.Edited as IRawDenoiser
            ?? throw new NotSupportedException($"{Denoiser.GetType().Name} with {nameof(SampleRequest.Edits)} gives no raw outputs ({nameof(IRawDenoiser)}); set {nameof(options.UsesRawOutputs)} to false, or leave the edits out.");
        var outputs = HalfPrecision.Widen(network.RawLogits(tokens, Level(tokens, time)));
        NotFiniteLogitsException.Check(outputs, walk.InBatch());
        return outputs;
    }

    private Tensor Level(Tensor tokens, double time) => full(tokens.size(0), Level(time), ScalarType.Float64, tokens.device);
}

/// <summary>Options of reward-guided ancestral sampling (RGAS); defaults are what helps small models: re-ranking without tilting.</summary>
public sealed class RewardGuidedSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>rho, the share of steps at the end that choose among candidates; the steps before tilt. Default 0.5.</summary>
    [Range(0.0, 1.0)]
    public double RerankingShare { get; set; } = 0.5;

    /// <summary>M, the candidates of such a step. Default 4.</summary>
    [Range(1, 10_000)]
    public int CandidateCount { get; set; } = 4;

    /// <summary>h at the first tilting step. Default 0, no tilting (released settings: 30).</summary>
    public double TiltStart { get; set; }

    /// <summary>h at the last tilting step. Default 0 (released settings: 40).</summary>
    public double TiltEnd { get; set; }

    /// <summary>Works on raw outputs under the true noise level, as the evaluation release does, instead of on SUBS log-probabilities
    /// under the level that the network was trained on. Needs an <see cref="IRawDenoiser"/>, and takes neither temperature nor top-p. Default false.</summary>
    public bool UsesRawOutputs { get; set; }
}
