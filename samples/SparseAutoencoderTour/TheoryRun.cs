using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>R1: is |f| near |x| when the true codes are known, and does top-AFA then find how many features are active?</summary>
public static class TheoryRun
{
    private const int SampleCount = 4_096;

    /// <summary>Runs it.</summary>
    public static void Execute(Report report, ulong seed)
    {
        report.Begin("R1: the theory on oracle codes");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(seed);
        using var features = SyntheticFeatures.Make(128, 64, random);
        var coherence = DecoderCoherence.Of(features.Directions);
        var (activations, codes) = features.Draw(SampleCount, random);
        var truth = codes.gt(0);
        var ratio = codes.norm(1) / activations.norm(1);
        var norms = features.Directions.norm(1);
        var oracle = Selection(TopAfaSelection.Choose(codes, norms, activations.norm(1)), truth);
        var tied = Selection(TopAfaSelection.Choose(activations.mm(features.Directions.t()).relu(), norms, activations.norm(1)), truth);
        report.Add(FormattableString.Invariant($"""
            128 unit directions in 64 dimensions: largest |cosine| {coherence.LargestAbsolute:F3}, Welch floor {ActivationNorm.WelchFloor(128, 64):F4}; {SampleCount:N0} samples of
            1 to 8 active features, {Mean(truth.sum(1)):F2} on average. |f| / |x| has mean {Mean(ratio):F4} and standard deviation {ratio.std().item<float>():F3}.

            | top-AFA applied to | mean k | corr(k, true count) | mean error of k | support precision | recall |
            |---|---|---|---|---|---|
            | the true codes | {oracle.Count:F2} | {oracle.Correlation:F3} | {oracle.Error:F2} | {oracle.Precision:F3} | {oracle.Recall:F3} |
            | relu(x D^T) | {tied.Count:F2} | {tied.Correlation:F3} | {tied.Error:F2} | {tied.Precision:F3} | {tied.Recall:F3} |
            """));
        report.Judge(
            Window.Near("mean |f| / |x|", Mean(ratio), 1, 0.01),
            Window.AtLeast("corr(k, true count) on the true codes", oracle.Correlation, 0.95),
            Window.AtLeast("corr(k, true count) on relu(x D^T)", tied.Correlation, 0.65));
    }

    private static (double Count, double Correlation, double Error, double Precision, double Recall) Selection((Tensor Counts, Tensor Mask) chosen, Tensor truth)
    {
        var real = truth.sum(1);
        var hits = Mean(chosen.Mask.logical_and(truth).sum());
        return (
            Mean(chosen.Counts),
            FeatureRecovery.Correlation(chosen.Counts, real),
            Mean((chosen.Counts - real).abs()),
            hits / Mean(chosen.Mask.sum()),
            hits / Mean(real.sum()));
    }

    private static double Mean(Tensor values) => values.to(ScalarType.Float64).mean().item<double>();
}
