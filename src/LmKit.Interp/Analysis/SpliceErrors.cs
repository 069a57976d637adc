namespace LmKit;

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
