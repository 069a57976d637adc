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
        Save(folder, dictionary, dictionary.Options, hookName, modelName);
    }

    /// <summary>Saves a supervised dictionary.</summary>
    /// <inheritdoc cref="Save(string, SparseAutoencoder, string?, string?)"/>
    public static void Save(string folder, SupervisedDictionary dictionary, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        Save(folder, dictionary, dictionary.Options, hookName, modelName);
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
        AtomicFolder.Recover(folder);
        using var random = new Generator(0);
        var weights = Path.Combine(folder, WeightsFile);
        var dictionary = ReadConfig(folder).Create(new ParameterFactory(random, Dtype(weights), device), kinds);
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

    /// <summary>Reads what a folder's dictionary is, without its weights.</summary>
    public static DictionaryConfig ReadConfig(string folder) => DictionaryConfig.FromJson(File.ReadAllText(Path.Combine(folder, ConfigFile)));

    private static void Save(string folder, nn.Module dictionary, object options, string? hookName, string? modelName)
    {
        var kind = new DictionaryRegistry().Of(options.GetType());
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
