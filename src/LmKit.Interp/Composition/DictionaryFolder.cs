using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Dictionaries as folders: <c>config.json</c> and <c>dictionary.safetensors</c>.</summary>
public static class DictionaryFolder
{
    private const string ConfigFile = "config.json";
    private const string WeightsFile = "dictionary.safetensors";

    /// <summary>Saves a dictionary in one step; a failure leaves the folder that was there.</summary>
    /// <param name="folder">The folder; replaced as a whole.</param>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="hookName">The point of the model whose activations it codes.</param>
    /// <param name="modelName">The model, in the user's words.</param>
    public static void Save(string folder, SparseAutoencoder dictionary, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        Save(folder, dictionary, new DictionaryRegistry().Of(dictionary.Options.GetType()), dictionary.Options, hookName, modelName);
    }

    /// <summary>Saves a supervised dictionary.</summary>
    /// <inheritdoc cref="Save(string, SparseAutoencoder, string?, string?)"/>
    public static void Save(string folder, SupervisedDictionary dictionary, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        Save(folder, dictionary, new DictionaryRegistry().Of(dictionary.Options.GetType()), dictionary.Options, hookName, modelName);
    }

    /// <summary>Saves a dictionary of a kind of one's own.</summary>
    /// <param name="folder">The folder; replaced as a whole.</param>
    /// <param name="dictionary">The dictionary, a module whose parameters and buffers are all it knows.</param>
    /// <param name="kind">Its kind; loading needs a registry that has it.</param>
    /// <param name="options">The options that the kind makes it from.</param>
    /// <param name="hookName">The point of the model whose activations it codes.</param>
    /// <param name="modelName">The model, in the user's words.</param>
    /// <exception cref="ArgumentException">The dictionary is no module.</exception>
    public static void Save<TOptions>(string folder, IDictionary dictionary, DictionaryKind<TOptions> kind, TOptions options, string? hookName = null, string? modelName = null)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(kind);
        ArgumentNullException.ThrowIfNull(options);
        var module = dictionary as nn.Module ?? throw new ArgumentException($"{dictionary.GetType().Name} is no module, so it has no weights that could be saved.", nameof(dictionary));
        Save(folder, module, kind, options, hookName, modelName);
    }

    /// <summary>Loads a dictionary of any kind, in evaluation mode; the caller disposes it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kinds">Kinds that it may be of; null for those of LmKit.Interp.</param>
    /// <param name="device">Where; the CPU by default.</param>
    /// <exception cref="ConfigurationException">The configuration cannot work or names an unknown kind.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit it; lists every mismatch.</exception>
    public static IDictionary Load(string folder, DictionaryRegistry? kinds = null, Device? device = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        LibTorch.EnsureLoaded();
        return AtomicFolder.Read(folder, whole => LoadWhole(whole, kinds, device));
    }

    /// <summary>Reads what a folder's dictionary is, without its weights.</summary>
    public static DictionaryConfig ReadConfig(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.Read(folder, ConfigOf);
    }

    private static DictionaryConfig ConfigOf(string folder) => DictionaryConfig.FromJson(File.ReadAllText(Path.Combine(folder, ConfigFile)));

    private static IDictionary LoadWhole(string folder, DictionaryRegistry? kinds, Device? device)
    {
        using var random = new Generator(0);
        var weights = Path.Combine(folder, WeightsFile);
        var dictionary = ConfigOf(folder).Create(new ParameterFactory(random, Dtype(weights), device), kinds);
        try
        {
            var module = dictionary as nn.Module ?? throw new InvalidOperationException($"{dictionary.GetType().Name} is no module, so its weights cannot be loaded.");
            CheckpointLoader.Load(module, weights);
            module.eval();
            return dictionary;
        }
        catch
        {
            (dictionary as IDisposable)?.Dispose();
            throw;
        }
    }

    private static void Save(string folder, nn.Module dictionary, DictionaryKind kind, object options, string? hookName, string? modelName)
    {
        var config = new DictionaryConfig(kind.Name, kind.Package, OptionsJson.Write(options), hookName, modelName);
        AtomicFolder.Write(folder, target =>
        {
            using var frozen = no_grad();
            File.WriteAllText(Path.Combine(target, ConfigFile), config.ToJson());
            SafetensorsWriter.Save(Path.Combine(target, WeightsFile), ModuleTensors.Of(dictionary));
        });
    }

    // Thresholds may be wider than the weights, never narrower.
    private static ScalarType Dtype(string weights)
    {
        using var reader = new SafetensorsReader(weights);
        return reader.Entries.Where(entry => entry.Shape.Count == 2).Select(entry => entry.ScalarType).DefaultIfEmpty(ScalarType.Float32).First();
    }
}
