using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the TopK autoencoder.</summary>
public sealed class TopKOptions : SparseAutoencoderOptions
{
    /// <summary>Features kept in a row (k). Default 32 (OpenAI).</summary>
    [Range(1L, long.MaxValue)]
    public long ActiveCount { get; set; } = 32;

    /// <summary>Whether features are chosen by, and codes returned as, pre-activation times atom norm (SAELens). Default false.</summary>
    public bool RescalesByDecoderNorm { get; set; }

    /// <summary>Whether negative pre-activations may be kept (task autoencoders). Default false: codes are at least 0.</summary>
    public bool AllowsNegativeCodes { get; set; }

    internal override void Check()
    {
        base.Check();
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ActiveCount);
    }
}
