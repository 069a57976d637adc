using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the ReLU autoencoder; with a free decoder and norm-weighted penalty it is the April 2024 update.</summary>
public sealed class VanillaOptions : SparseAutoencoderOptions
{
    /// <summary>Weight of the features' attributions |a (g . dec)| (alpha of the attribution autoencoder). Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double AttributionCoefficient { get; set; }

    /// <summary>Weight of the attribution of what is left, |(x - x_hat) g| (beta). Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double UnexplainedCoefficient { get; set; }
}
