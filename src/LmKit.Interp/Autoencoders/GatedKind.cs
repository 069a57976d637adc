namespace LmKit;

/// <summary>Whose form of the gated autoencoder.</summary>
public enum GatedKind
{
    /// <summary>SAELens: the penalty weighs codes by atom norms; the gate's own reconstruction trains the decoder too.</summary>
    SaeLens,

    /// <summary>Rajamanoharan et al. 2024 and dictionary_learning: no weighing; the decoder is detached there.</summary>
    Detached,

    /// <summary>Task autoencoders of Makelov et al. 2024: as detached, and magnitudes are not rectified, so codes may be negative.</summary>
    UnrectifiedMagnitudes,
}
