using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Entry points of LmKit.Diffusion and LmKit.Interp.</summary>
internal static class ModelCalls
{
    private const long Mask = 4;

    internal static IEnumerable<FuzzTarget> All => [.. Diffusion, .. Interp];

    private static IEnumerable<FuzzTarget> Diffusion =>
    [
        CallTarget.Of("diffusion-transformer", a => CallModels.Network.call(a.Ids(5, 2, 6), new SequenceContext { Level = a.Shares(2) })),
        CallTarget.Of("denoiser", a => CallModels.Denoiser.call(a.Ids(5, 2, 6), a.Shares(2))),
        CallTarget.Of("denoiser-rows", a => CallModels.Denoiser.LogProbabilities(a.Floats(3, 8))),
        CallTarget.Of("discriminator", a => CallModels.Critic.call(a.Ids(5, 2, 6), a.Shares(2))),
        CallTarget.Of("subs", a => SubsParameterization.Apply(a.Floats(2, 6, 5), a.Ids(5, 2, 6), a.Size(Mask))),
        CallTarget.Of("mask-corrupt", a => MaskingProcess.Corrupt(a.Ids(4, 2, 6), a.Shares(2), a.Size(Mask), a.Shares(2, 6))),
        CallTarget.Of("mask-clean", a => { MaskingProcess.CheckClean(a.Ids(4, 2, 6), a.Size(5), a.Size(Mask)); return null; }),
        CallTarget.Of("elbo", a => NegativeElbo.Of(CallModels.Denoiser, a.Ids(4, 2, 6), new TimeSampling(CallModels.Schedule).Levels(rand(2, ScalarType.Float64)), a.Shares(2, 6), a.Maybe(() => a.Flags(2, 6))).Sum),
        CallTarget.Of("elbo-per-token", a => NegativeElbo.PerToken(a.Floats(2, 6, 5), a.Ids(4, 2, 6), a.Shares(2))),
        CallTarget.Of("times", a => new TimeSampling(CallModels.Schedule).Levels(a.Shares(2)).Time),
        CallTarget.Of("schedule-map", a => NoiseSchedule.Map(a.Shares(2), CallModels.Schedule.Sigma)),
        CallTarget.Of("categorical", a => CategoricalDraw.Sample(a.Shares(2, 6, 5), a.Shares(2, 6, 5))),
        CallTarget.Of("ancestral-step", a => DiffusionSteps.Ancestral(a.Floats(2, 6, 5), a.Shares(2, 1), a.Shares(2, 1), a.Size(Mask))),
        CallTarget.Of("analytic-step", a => DiffusionSteps.Analytic(a.Shares(2, 6, 5), a.Ids(5, 2, 6), a.Shares(2, 1), a.Size(Mask), a.Random.Chance(0.5))),
        CallTarget.Of("score", a => DiffusionSteps.Score(a.Floats(2, 6, 5), a.Ids(5, 2, 6), a.Shares(2, 1), a.Size(Mask))),
        CallTarget.Of("truncation", a => DiffusionTruncation.Apply(a.Floats(2, 6, 5), a.Number(0.9), a.Number(0.9))),
        CallTarget.Of("diffusion-sampler", a => new SparseAncestralSampler(CallModels.Denoiser, new DiffusionSamplerOptions { StepCount = a.Count(3), Temperature = a.Number(1), TopP = a.Number(1) }).Sample(a.Ids(4, 2, 3), a.Size(4), new Generator(1))),
        CallTarget.Of("remasking-sigma", a => RemaskingSteps.Sigma(RemaskingStrategy.Rescale, a.Number(0.5), a.Number(0.4), a.Number(0.6), a.Shares(2, 6), a.Flags(2, 6))),
        CallTarget.Of("remasking-weights", a => RemaskingSteps.Weights(a.Shares(2, 6, 5), a.Shares(2, 6), a.Number(0.4), a.Number(0.6), a.Flags(2, 6), a.Size(Mask))),
        CallTarget.Of("distillation-divergence", a => DistillationLosses.KullbackLeibler(a.Floats(2, 6, 5), a.Floats(2, 6, 5), a.Flags(2, 6))),
        CallTarget.Of("distillation-entropy", a => DistillationLosses.Entropy(a.Floats(2, 6, 5), a.Flags(2, 6))),
        CallTarget.Of("distillation-discriminator", a => DistillationLosses.Discriminator(a.Floats(2, 6, 1), a.Floats(2, 6, 1), a.Number(0.1), a.Maybe(() => a.Flags(2, 6)), a.Maybe(() => a.Flags(2, 6)))),
        CallTarget.Of("policy-gradient", a => DistillationLosses.PolicyGradient(a.Shares(2), a.Floats(2), a.Floats(2))),
        CallTarget.Of("reward", a => DivergenceReward.OfMasked(a.Floats(2, 6, 1), a.Flags(2, 6), a.Number(8))),
        CallTarget.Of("advantages", a => GroupedRewardNormalization.Advantages(a.Floats(6), a.Count(3), a.Number(3), a.Random.Chance(0.5), a.Maybe(() => a.Flags(6)))),
        CallTarget.Of("scored-draw", a => ScoredDraw.Of(a.Floats(2, 6, 5), a.Ids(5, 2, 6), a.Shares(2, 1), a.Shares(2, 1), a.Size(Mask), a.Shares(2, 6, 5)).LogProbability),
        CallTarget.Of("candidates", a => RewardGuidance.Candidates(a.Shares(2, 6, 5), a.Ids(5, 2, 6), a.Shares(2, 3, 6, 5), a.Size(Mask))),
        CallTarget.Of("choose", a => RewardGuidance.Choose(a.Ids(5, 2, 3, 6), a.Floats(2, 3), a.Shares(2, 3))),
        CallTarget.Of("tilt", a => RewardGuidance.Tilt(a.Floats(2, 6, 5), a.Floats(2, 6, 5), a.Number(1))),
        CallTarget.Of("guidance-gradient", a => RewardGuidance.Gradient(CallModels.Critic, a.Floats(2, 6, 5), a.Ids(5, 2, 6), a.Shares(2), a.Size(Mask))),
        CallTarget.Of("chain", a => CallModels.Chain.Perplexity(a.Ids(4, 2, 6))),
        CallTarget.Of("chain-new", a => new MarkovChain(a.Rows(4, 4), a.Rows(4)).EntropyPerToken(a.Count(3))),
        CallTarget.Of("n-grams", a => NgramDivergence.Between(a.Ids(4, 2, 6), a.Ids(4, 3, 6), a.Count(2))),
        CallTarget.Of("token-entropy", a => TokenEntropy.Mean(a.Ids(4, 2, 6))),
        CallTarget.Of("generative-perplexity", a => GenerativePerplexity.Of(CallModels.Tuned, a.Ids(11, 2, 6), a.Random.Chance(0.5) ? null : a.Size(3))),
    ];

    private static IEnumerable<FuzzTarget> Interp =>
    [
        CallTarget.Of("dictionary-encode", a => CallModels.Autoencoder.Encode(a.Floats(7, 4))),
        CallTarget.Of("dictionary-decode", a => CallModels.Autoencoder.Decode(a.Floats(7, 6))),
        CallTarget.Of("dictionary-reconstruct", a => CallModels.Autoencoder.Reconstruct(a.Floats(7, 4), a.Floats(7, 6))),
        CallTarget.Of("dictionary-loss", a => CallModels.Autoencoder.Loss(CallModels.Autoencoder.Run(a.Floats(7, 4)), a.Maybe(() => a.Flags(6)), a.Maybe(() => a.Floats(7, 4))).Total),
        CallTarget.Of("batch-dictionary-encode", a => CallModels.BatchAutoencoder.Encode(a.Floats(7, 4))),
        CallTarget.Of("batch-dictionary-threshold", a => { CallModels.BatchAutoencoder.UpdateThreshold(a.Floats(7, 6)); return null; }),
        CallTarget.Of("supervised-encode", a => CallModels.Supervised.Encode(a.Ids(3, 7, 2))),
        CallTarget.Of("supervised-decode", a => CallModels.Supervised.Decode(a.Doubles(7, 3))),
        CallTarget.Of("supervised-fit", a => { using var made = SupervisedDictionary.Fit(a.Floats(9, 4), a.Ids(3, 9, 2), [new AttributeBlock("a", [a.Count(0)], [a.Count(3)])]); return null; }),
        CallTarget.Of("supervised-edit", a => SupervisedEdit.Apply(CallModels.Supervised, a.Doubles(7, 6), a.Ids(3, 7, 2), a.Ids(3, 7, 2), [a.Count(0)])),
        CallTarget.Of("autoencoder-step", a =>
        {
            using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 6, ActiveCount = 2 }, new ParameterFactory(new Generator(1)));
            (Tensor, Tensor?)[] batches = [(a.Floats(7, 4), a.Maybe(() => a.Floats(7, 4)))];
            using var task = AutoencoderTask.OnBatches(autoencoder, _ => batches.ToAsyncEnumerable(), new() { Steps = 3 });
            using var trainer = new Trainer(task);
            return trainer.Advance()!.Loss;
        }),
        CallTarget.Of("activation-scale", a => ActivationScale.UnitMeanSquare(a.Floats(7, 4)).Apply(a.Floats(5, 4))),
        CallTarget.Of("activation-epochs", a => ActivationEpochs.Of(a.Floats(7, 4), a.Size(3), a.Count(1), new Generator(1), a.Size(0))),
        CallTarget.Of("activation-rows", a => ActivationRows.Of(a.Floats(2, 5, 4), a.Ids(9, 2, 5), a.Size(0)).Values),
        CallTarget.Of("norm-band", a => ActivationNorm.Band(a.Shares(7), a.Number(2)).Lower),
        CallTarget.Of("norm-error", a => ActivationNorm.Error(a.Floats(7, 4), a.Floats(7, 6))),
        CallTarget.Of("norm-gap", a => ActivationNorm.ExactGap(a.Floats(7, 6), a.Floats(6, 4))),
        CallTarget.Of("coherence", a => DecoderCoherence.Of(a.Floats(6, 4)).ToString()),
        CallTarget.Of("geometric-median", a => GeometricMedian.Of(a.Floats(7, 4), a.Number(1e-5), Math.Min(a.Count(9), 5_000))),
        CallTarget.Of("reconstruction-quality", a => ReconstructionQuality.Of(a.Floats(7, 4), a.Floats(7, 4)).ToString()),
        CallTarget.Of("auxiliary-loss", a => AuxiliaryLoss.Normalized(a.Floats(7, 4), a.Floats(7, 4))),
        CallTarget.Of("feature-activity", a => { using var activity = new FeatureActivity(6); activity.Update(a.Floats(7, 6), a.Size(1)); return activity.Dead(a.Size(3)); }),
        CallTarget.Of("feature-scores", a => FeatureScores.Of(a.Flags(7, 6), a.Ids(3, 7, 2), new AttributeBlock("a", [0], [3])).F1),
        CallTarget.Of("feature-resampling", a => FeatureResampling.Probabilities(CallModels.Autoencoder, a.Floats(7, 4))),
        CallTarget.Of("feature-recovery", a => FeatureRecovery.Of(CallModels.Autoencoder, a.Floats(6, 4), a.Floats(7, 4), a.Floats(7, 6)).ToString()),
        CallTarget.Of("correlation", a => FeatureRecovery.Correlation(a.Floats(7), a.Floats(7))),
        CallTarget.Of("agreement", a => Agreement.Of(a.Floats(7, 5), a.Floats(7, 5))),
        CallTarget.Of("attention-scores", a => AttentionDecomposition.Scores(a.Floats(2, 5, 4), a.Floats(2, 5, 4))),
        CallTarget.Of("top-afa", a => TopAfaSelection.Choose(a.Shares(7, 6), a.Shares(6), a.Shares(7), a.Random.Chance(0.5), a.Size(1), a.Size(0), a.Number(0)).Mask),
        CallTarget.Of("unit-rows", a => { using var frozen = no_grad(); UnitRows.Normalize(a.Floats(6, 4)); return null; }),
        CallTarget.Of("splice", a => SpliceQuality.Measure(CallModels.Tuned, "layers.0.resid_post", Wide, a.Ids(11, 2, 5)).ToString()),
        CallTarget.Of("tap-steer", a => { using var tap = ActivationTap.Steer(CallModels.Tuned, "layers.0.resid_post", Wide, a.Size(1), a.Number(2)); return CallModels.Tuned.call(a.Ids(11, 2, 5), null); }),
        CallTarget.Of("synthetic", a => { using var features = SyntheticFeatures.Make(6, 4, new Generator(1), a.Count(2), 5); return features.Draw(Math.Min(a.Size(4), 1 << 10), new Generator(1)).Activations; }),
    ];

    private static TopKAutoencoder Wide { get; } = new(new TopKOptions { ModelDim = 8, FeatureCount = 12, ActiveCount = 2 }, new ParameterFactory(new Generator(1)));
}
