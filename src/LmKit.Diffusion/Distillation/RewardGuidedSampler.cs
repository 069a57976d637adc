using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Ancestral sampling steered by a discriminator (RGAS): early steps tilt the logits by its gradient, late ones choose among candidates.</summary>
/// <remarks>The last noise is removed by an analytic draw of the network. The ledger lists the discriminator's calls, which the paper's
/// count of evaluations leaves out.</remarks>
public sealed class RewardGuidedSampler : DiffusionSampler
{
    private readonly DiffusionTransformer student;
    private readonly Discriminator discriminator;
    private readonly RewardGuidedSamplerOptions options;
    private readonly int tiltingSteps;

    /// <summary>Makes the sampler.</summary>
    /// <param name="student">The network; not disposed.</param>
    /// <param name="discriminator">The guide, in evaluation mode; not disposed.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="options">How to steer.</param>
    /// <param name="schedule">The schedule; null for the log-linear one.</param>
    /// <param name="isTimeConditioned">Whether the network was trained on true noise levels.</param>
    public RewardGuidedSampler(
        DiffusionTransformer student,
        Discriminator discriminator,
        long maskId,
        RewardGuidedSamplerOptions? options = null,
        NoiseSchedule? schedule = null,
        bool isTimeConditioned = false)
        : base(new TransformerDenoiser(student, maskId, isTimeConditioned), schedule, options ??= new RewardGuidedSamplerOptions())
    {
        ArgumentNullException.ThrowIfNull(discriminator);
        this.student = student;
        this.discriminator = discriminator;
        this.options = options;
        tiltingSteps = (int)Math.Floor(options.StepCount * (1 - options.RerankingShare));
    }

    /// <inheritdoc/>
    private protected override IEnumerable<string> Obeyed => options.UsesRawOutputs ? [] : base.Obeyed;

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
        var outputs = options.UsesRawOutputs ? Raw(tokens, before) : Denoise(walk, tokens, before);
        if (scale != 0)
        {
            walk.Ledger.DiscriminatorForwards++;
            walk.Ledger.DiscriminatorBackwards++;
            outputs = RewardGuidance.Tilt(outputs, RewardGuidance.Gradient(discriminator, outputs, tokens, Level(tokens, before), MaskId), scale);
        }
        var logProbabilities = options.UsesRawOutputs ? outputs.log_softmax(-1) : SubsParameterization.OfMasked(outputs, MaskId);
        var weights = DiffusionSteps.Ancestral(logProbabilities, Scalar(Schedule.Alpha(before)), Scalar(Schedule.Alpha(after)), MaskId);
        if (count == 1)
            return where(tokens.eq(MaskId), CategoricalDraw.Sample(weights, walk.Uniforms(weights.shape)), tokens);
        var (batch, length) = (tokens.size(0), tokens.size(1));
        var candidates = RewardGuidance.Candidates(weights, tokens, walk.Uniforms(batch, count, length, weights.size(-1)), MaskId); // (B, M, L)
        var flat = candidates.view(-1, length);
        walk.Ledger.DiscriminatorForwards++;
        walk.Ledger.RankedSequences += flat.size(0);
        var scores = HalfPrecision.Widen(discriminator.call(flat, Level(flat, after))).sum([1L, 2L]).view(batch, count);
        NotFiniteLogitsException.Check(scores);
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

    private Tensor Raw(Tensor tokens, double time)
    {
        var outputs = HalfPrecision.Widen(student.call(tokens, Level(tokens, time)));
        NotFiniteLogitsException.Check(outputs);
        return outputs;
    }

    private Tensor Level(Tensor tokens, double time) => full(tokens.size(0), Level(time), HalfPrecision.Wide(student.Dtype), tokens.device);
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
    /// under the level that the network was trained on. Default false.</summary>
    public bool UsesRawOutputs { get; set; }
}
