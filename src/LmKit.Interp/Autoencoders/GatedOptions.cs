namespace LmKit;

/// <summary>Options of the gated autoencoder.</summary>
public sealed class GatedOptions : SparseAutoencoderOptions
{
    /// <summary>Whose form. Default the paper's.</summary>
    public GatedKind Kind { get; set; } = GatedKind.Detached;
}
