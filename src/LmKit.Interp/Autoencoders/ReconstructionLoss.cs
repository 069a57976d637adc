namespace LmKit;

/// <summary>How squared errors of a reconstruction become one number.</summary>
public enum ReconstructionLoss
{
    /// <summary>Summed over dimensions, averaged over rows, in raw units (SAELens, task autoencoders, dictionary_learning).</summary>
    Sum,

    /// <summary>Averaged over rows and dimensions, in normalised units (Lee et al. 2025).</summary>
    NormalizedMean,
}
