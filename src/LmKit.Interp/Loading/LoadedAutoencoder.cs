namespace LmKit;

/// <summary>A published autoencoder and what its files say about it.</summary>
/// <param name="Autoencoder">The autoencoder, in evaluation mode.</param>
/// <param name="Layout">The layout it was read from.</param>
/// <param name="HookName">The place in its model, as published; null when the files do not say.</param>
/// <param name="ModelName">The model, as published; null when the files do not say.</param>
public sealed record LoadedAutoencoder(SparseAutoencoder Autoencoder, AutoencoderLayout Layout, string? HookName, string? ModelName) : IDisposable
{
    /// <summary>The head whose activations it was made for, as published; null for all, or when the files do not say.</summary>
    public long? HeadIndex { get; init; }

    /// <summary>Settings of the files that are set, that LmKit does not know and that no setting known to change results resembles; look at
    /// them before trusting the codes.</summary>
    public IReadOnlyList<string> UnreadSettings { get; init; } = [];

    /// <inheritdoc/>
    public void Dispose() => Autoencoder.Dispose();
}
