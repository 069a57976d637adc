using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a model loses when a dictionary's reconstruction stands in for an activation, between untouched and ablated runs.</summary>
/// <remarks>Losses are cross entropies of the next token in nats; divergences are KL(clean || other) in nats, both averaged over
/// predictions. A row of tokens is a window: errors are over them.</remarks>
/// <param name="CleanLoss">Loss of the untouched model.</param>
/// <param name="SplicedLoss">Loss with the reconstruction in place.</param>
/// <param name="ZeroLoss">Loss with zeros in place.</param>
/// <param name="MeanLoss">Loss with the batch's mean activation in place.</param>
/// <param name="SplicedDivergence">Divergence with the reconstruction in place.</param>
/// <param name="ZeroDivergence">Divergence with zeros in place.</param>
/// <param name="MeanDivergence">Divergence with the mean in place.</param>
public sealed record SpliceQuality(
    double CleanLoss, double SplicedLoss, double ZeroLoss, double MeanLoss, double SplicedDivergence, double ZeroDivergence, double MeanDivergence)
{
    /// <summary>(zero - spliced) / (zero - clean): the loss score against zero ablation; NaN where ablation changes nothing.</summary>
    public double LossRecovered => Shares.Of(ZeroLoss - SplicedLoss, ZeroLoss - CleanLoss, CleanLoss);

    /// <summary>The same against mean ablation.</summary>
    public double LossRecoveredFromMean => Shares.Of(MeanLoss - SplicedLoss, MeanLoss - CleanLoss, CleanLoss);

    /// <summary>1 - spliced / zero: the divergence score against zero ablation.</summary>
    public double DivergenceRecovered => 1 - Shares.Of(SplicedDivergence, ZeroDivergence, CleanLoss);

    /// <summary>The same against mean ablation.</summary>
    public double DivergenceRecoveredFromMean => 1 - Shares.Of(SplicedDivergence, MeanDivergence, CleanLoss);

    /// <summary>How far each figure can be off, and from how many windows it is; null where that was not measured.</summary>
    public SpliceErrors? Errors { get; init; }

    /// <summary>The scores in a line, each with its error.</summary>
    public override string ToString()
    {
        var counts = Errors is { } errors ? string.Create(CultureInfo.InvariantCulture, $" (standard errors over {errors.WindowCount:N0} windows, {errors.PredictionCount:N0} predictions)") : "";
        return string.Join(", ", Part("loss recovered", LossRecovered, Errors?.LossRecovered), Part("from mean", LossRecoveredFromMean, Errors?.LossRecoveredFromMean), Part("divergence recovered", DivergenceRecovered, Errors?.DivergenceRecovered),
            Part("from mean", DivergenceRecoveredFromMean, Errors?.DivergenceRecoveredFromMean), Part("clean loss", CleanLoss, Errors?.CleanLoss), Part("spliced", SplicedLoss, Errors?.SplicedLoss), Part("zero", ZeroLoss, Errors?.ZeroLoss), Part("mean", MeanLoss, Errors?.MeanLoss)) + counts;

        static string Part(string name, double value, double? error) => string.Create(CultureInfo.InvariantCulture, $"{name} {value:F4}") + (error is { } known && !double.IsNaN(known) ? string.Create(CultureInfo.InvariantCulture, $" +- {known:F4}") : "");
    }

    /// <summary>Measures a dictionary on tokens.</summary>
    /// <param name="model">The model, left as it was.</param>
    /// <param name="point">The point.</param>
    /// <param name="autoencoder">The dictionary.</param>
    /// <param name="tokens">Tokens (B, L) with L at least 2.</param>
    /// <param name="edits">Edits of codes; none measures the dictionary itself.</param>
    public static SpliceQuality Measure(LanguageModel model, string point, SparseAutoencoder autoencoder, Tensor tokens, params IReadOnlyList<FeatureEdit> edits)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(autoencoder);
        new TensorCheck(nameof(SpliceQuality)).Integers(tokens, nameof(tokens), "B L");
        if (tokens.dim() != 2 || tokens.size(0) == 0 || tokens.size(1) < 2)
            throw new ArgumentException($"Tokens (B, L) with at least one row and L at least 2 are needed; got ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var targets = tokens.narrow(1, 1, tokens.size(1) - 1).reshape(-1, 1);
        var clean = Run(null);
        var spliced = Run(() => ActivationTap.Splice(model, point, autoencoder, keepsError: false, edits));
        var zero = Run(() => ActivationTap.Edit(model, point, activation => zeros_like(activation)));
        var mean = Run(() => ActivationTap.Edit(model, point, MeanOf));
        var (cleanLoss, splicedLoss, zeroLoss, meanLoss) = (Loss(clean), Loss(spliced), Loss(zero), Loss(mean));
        var (splicedDivergence, zeroDivergence, meanDivergence) = (Divergence(spliced), Divergence(zero), Divergence(mean));
        var quality = new SpliceQuality(Mean(cleanLoss), Mean(splicedLoss), Mean(zeroLoss), Mean(meanLoss), Mean(splicedDivergence), Mean(zeroDivergence), Mean(meanDivergence));
        return quality with
        {
            Errors = new SpliceErrors(tokens.size(0), targets.size(0), Error(cleanLoss), Error(splicedLoss), Error(zeroLoss), Error(meanLoss), Error(splicedDivergence), Error(zeroDivergence), Error(meanDivergence))
            {
                LossRecovered = Share(quality.LossRecovered, Less(zeroLoss, splicedLoss), Less(zeroLoss, cleanLoss)),
                LossRecoveredFromMean = Share(quality.LossRecoveredFromMean, Less(meanLoss, splicedLoss), Less(meanLoss, cleanLoss)),
                DivergenceRecovered = Share(quality.DivergenceRecovered, splicedDivergence, zeroDivergence),
                DivergenceRecoveredFromMean = Share(quality.DivergenceRecoveredFromMean, splicedDivergence, meanDivergence),
            },
        };

        Tensor Run(Func<ActivationTap>? attach)
        {
            using var tap = attach?.Invoke();
            using var logits = model.call(tokens.narrow(1, 0, tokens.size(1) - 1), null);
            return logits.to(ScalarType.Float64).log_softmax(-1).flatten(0, 1); // (B (L-1), V)
        }

        // Means of each row of tokens, which is as long as any other.
        double[] Rows(Tensor each) => each.view(tokens.size(0), -1).mean([1]).cpu().data<double>().ToArray();

        double[] Loss(Tensor logs) => Rows(logs.gather(1, targets).neg());

        double[] Divergence(Tensor logs) => Rows((clean.exp() * (clean - logs)).sum(1));
    }

    private static double Mean(double[] rows) => rows.Average();

    private static double Error(double[] rows) => Estimate.OfValues(rows, "windows").StandardError;

    private static double[] Less(double[] left, double[] right) => [.. left.Zip(right, (a, b) => a - b)];

    private static double Share(double value, double[] parts, double[] wholes) => double.IsNaN(value) ? double.NaN : Estimate.OfRatio(parts, wholes, parts.Length, "windows", "").StandardError;

    private static Tensor MeanOf(Tensor activation)
    {
        long[] rows = [.. Enumerable.Range(0, 2).Select(axis => (long)axis)];
        return activation.mean(rows, keepdim: true).expand_as(activation);
    }
}

/// <summary>Standard errors of a <see cref="SpliceQuality"/> over its windows; NaN where one window alone cannot tell.</summary>
/// <param name="WindowCount">Rows of tokens measured on.</param>
/// <param name="PredictionCount">Predictions in them.</param>
/// <param name="CleanLoss">Error of the untouched model's loss.</param>
/// <param name="SplicedLoss">Error of the loss with the reconstruction.</param>
/// <param name="ZeroLoss">Error of the loss with zeros.</param>
/// <param name="MeanLoss">Error of the loss with the mean.</param>
/// <param name="SplicedDivergence">Error of the divergence with the reconstruction.</param>
/// <param name="ZeroDivergence">Error of the divergence with zeros.</param>
/// <param name="MeanDivergence">Error of the divergence with the mean.</param>
public sealed record SpliceErrors(
    long WindowCount, long PredictionCount, double CleanLoss, double SplicedLoss, double ZeroLoss, double MeanLoss, double SplicedDivergence, double ZeroDivergence, double MeanDivergence)
{
    /// <summary>Error of the loss score against zero ablation, smaller than that of the losses: they rise and fall together.</summary>
    public double LossRecovered { get; init; } = double.NaN;

    /// <summary>Error of the same against mean ablation.</summary>
    public double LossRecoveredFromMean { get; init; } = double.NaN;

    /// <summary>Error of the divergence score against zero ablation.</summary>
    public double DivergenceRecovered { get; init; } = double.NaN;

    /// <summary>Error of the same against mean ablation.</summary>
    public double DivergenceRecoveredFromMean { get; init; } = double.NaN;
}
