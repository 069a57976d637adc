using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the top-AFA autoencoder.</summary>
public sealed class TopAfaOptions : SparseAutoencoderOptions
{
    /// <summary>The norm that the kept codes should reach. Default |x - b_dec| (the authors' code).</summary>
    public AfaTarget SelectionTarget { get; set; }

    /// <summary>The norm in the loss. Default |x| (the authors' code).</summary>
    public AfaTarget LossTarget { get; set; } = AfaTarget.Input;

    /// <summary>Fewest features kept in a row. Default 1.</summary>
    [Range(1L, long.MaxValue)]
    public long MinActiveCount { get; set; } = 1;

    /// <summary>Most features kept in a row; 0 sets no limit, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long MaxActiveCount { get; set; }

    /// <summary>How far, relative to the target, a code's norm may stay from it: the fewest features within that are kept. Default 0: the
    /// nearest.</summary>
    [Range(0.0, 1.0)]
    public double Tolerance { get; set; }

    /// <summary>Whether the norm of all features together is taken as 1e4, as the authors' code does. Default false: its true value.</summary>
    public bool HasOfficialSentinel { get; set; }

    /// <summary>The authors' recipe: no encoder bias, errors averaged over dimensions of standardised inputs, unit rows before the step,
    /// auxiliary weight 1/32 over 512 features.</summary>
    /// <param name="afaCoefficient">afa_coeff; the authors sweep 1/128 to 1/16.</param>
    public static TopAfaOptions Official(double afaCoefficient = 1 / 32.0) => new()
    {
        UsesEncoderBias = false,
        InputNormalization = InputNormalization.PerRowStandardize,
        Initialization = AutoencoderInitialization.ScaledEncoder,
        Reconstruction = ReconstructionLoss.NormalizedMean,
        Constraint = DecoderConstraint.UnitRowsBeforeStep,
        AfaCoefficient = afaCoefficient,
        AuxiliaryCoefficient = 1 / 32.0,
        Auxiliary = AuxiliaryKind.Residual,
        AuxiliaryCount = 512,
    };

    /// <summary>The repaired recipe: with an encoder bias and a small penalty on codes it recovers true features, which the official one
    /// does not; no auxiliary loss, inputs as they are.</summary>
    /// <param name="afaCoefficient">afa_coeff.</param>
    /// <param name="sparsityCoefficient">l1_coeff.</param>
    public static TopAfaOptions Regularised(double afaCoefficient = 1 / 32.0, double sparsityCoefficient = 6e-3)
    {
        var options = Official(afaCoefficient);
        options.UsesEncoderBias = true;
        options.InputNormalization = InputNormalization.None;
        options.AuxiliaryCoefficient = 0;
        options.SparsityCoefficient = sparsityCoefficient;
        return options;
    }
}
