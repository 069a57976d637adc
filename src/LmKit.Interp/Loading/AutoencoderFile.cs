using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Loads published sparse autoencoders, whatever their layout, without Python.</summary>
public static class AutoencoderFile
{
    /// <summary>Loads an autoencoder; the caller disposes it.</summary>
    /// <param name="path">Its folder, or for Gemma Scope and OpenAI the file.</param>
    /// <param name="options">What the files do not say.</param>
    /// <exception cref="InvalidDataException">No layout fits, or the files contradict themselves.</exception>
    /// <exception cref="CheckpointMismatchException">A tensor is missing, or one is there that the kind does not use.</exception>
    /// <exception cref="PickleException">A PyTorch file asks for something other than tensors.</exception>
    /// <exception cref="NotSupportedException">It is of a kind that is not read, or a setting that changes results is not obeyed; names the
    /// setting and its value.</exception>
    public static LoadedAutoencoder Load(string path, AutoencoderLoadOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        LibTorch.EnsureLoaded();
        options ??= new AutoencoderLoadOptions();
        var layout = Find(path);
        try
        {
            return Load(layout, path, options);
        }
        catch (Exception error) when (error is ArgumentException or InvalidCastException or FormatException or ArithmeticException or InvalidOperationException
            or IndexOutOfRangeException or NullReferenceException or KeyNotFoundException or ExternalException or UnauthorizedAccessException)
        {
            throw new InvalidDataException($"{path}: its files, read as {layout}, contradict themselves: {error.Message}", error);
        }
    }

    private static LoadedAutoencoder Load(AutoencoderLayout layout, string path, AutoencoderLoadOptions options)
    {
        using var scope = NewDisposeScope();
        return layout switch
        {
            AutoencoderLayout.SaeLens => SaeLensLayout.Load(path, options),
            AutoencoderLayout.GemmaScope => ScopeLayouts.GemmaScope(FileIn(path, "params.npz"), options),
            AutoencoderLayout.LlamaScope => ScopeLayouts.LlamaScope(path, options),
            AutoencoderLayout.Sparsify => ScopeLayouts.Sparsify(path, options),
            AutoencoderLayout.DictionaryLearning => PickledLayouts.DictionaryLearning(path, options),
            AutoencoderLayout.TopAfa => PickledLayouts.TopAfa(path, options),
            _ => PickledLayouts.OpenAi(FileIn(path, "*.pt"), options),
        };
    }

    /// <summary>Says which layout lies at a path.</summary>
    /// <exception cref="InvalidDataException">None does.</exception>
    public static AutoencoderLayout Find(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (File.Exists(path))
            return Path.GetExtension(path) == ".npz" ? AutoencoderLayout.GemmaScope : Path.GetExtension(path) == ".pt" ? AutoencoderLayout.OpenAi : throw Unknown(path);
        bool Has(string name) => File.Exists(Path.Combine(path, name));
        if (Has("cfg.json") && Has("sae_weights.safetensors"))
            return AutoencoderLayout.SaeLens;
        if (Has("cfg.json") && Has("sae.safetensors"))
            return AutoencoderLayout.Sparsify;
        if (Has("hyperparams.json"))
            return AutoencoderLayout.LlamaScope;
        if (Has("params.npz"))
            return AutoencoderLayout.GemmaScope;
        if (Has("ae.pt"))
            return AutoencoderLayout.DictionaryLearning;
        if (Has("sae.pt"))
            return AutoencoderLayout.TopAfa;
        return Directory.Exists(path) && Directory.EnumerateFiles(path, "*.pt").Count() == 1 ? AutoencoderLayout.OpenAi : throw Unknown(path);
    }

    private static string FileIn(string path, string pattern) => File.Exists(path) ? path : Directory.EnumerateFiles(path, pattern).FirstOrDefault() ?? throw Unknown(path);

    private static InvalidDataException Unknown(string path) => new(
        $"{path}: no published layout fits. Known are cfg.json with sae_weights.safetensors (SAELens) or sae.safetensors (sparsify), hyperparams.json with final.safetensors (Llama Scope), params.npz (Gemma Scope), ae.pt with config.json (dictionary_learning), sae.pt with config.json (top-AFA), and one LAYER.pt (OpenAI).");
}

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

/// <summary>What a published file does not say, or what should be read in another way.</summary>
public sealed class AutoencoderLoadOptions
{
    /// <summary>Features kept in a row, for a TopK file that does not say it (OpenAI's).</summary>
    public long? ActiveCount { get; set; }

    /// <summary>Whether a TopK file of dictionary_learning is coded by its threshold. Default false.</summary>
    public bool UsesThreshold { get; set; }

    /// <summary>What activations were multiplied by before training, sqrt(d) over their mean norm, where a SAELens file says
    /// <c>expected_average_only_in</c> and holds no scale; it is folded into the weights. 1 for weights that it is folded into already.</summary>
    public double? InputScale { get; set; }

    /// <summary>Dtype of the parameters. Default float32.</summary>
    public TorchSharp.torch.ScalarType Dtype { get; set; } = TorchSharp.torch.ScalarType.Float32;

    /// <summary>Where they live; the CPU by default.</summary>
    public TorchSharp.torch.Device? Device { get; set; }
}

/// <summary>The published layouts of sparse autoencoders.</summary>
public enum AutoencoderLayout
{
    /// <summary>SAELens: <c>cfg.json</c> and <c>sae_weights.safetensors</c>, of version 6 or older.</summary>
    SaeLens,

    /// <summary>Gemma Scope: <c>params.npz</c>.</summary>
    GemmaScope,

    /// <summary>OpenAI: <c>LAYER.pt</c>.</summary>
    OpenAi,

    /// <summary>dictionary_learning: <c>ae.pt</c> and <c>config.json</c>.</summary>
    DictionaryLearning,

    /// <summary>sparsify: <c>sae.safetensors</c> and <c>cfg.json</c>.</summary>
    Sparsify,

    /// <summary>Llama Scope: <c>hyperparams.json</c> and <c>final.safetensors</c>.</summary>
    LlamaScope,

    /// <summary>The top-AFA code: <c>sae.pt</c> and <c>config.json</c>.</summary>
    TopAfa,
}
