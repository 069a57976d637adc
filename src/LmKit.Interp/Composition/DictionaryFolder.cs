using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Dictionaries as folders: <c>config.json</c> and <c>dictionary.safetensors</c>.</summary>
public static class DictionaryFolder
{
    private const string ConfigFile = "config.json";
    private const string WeightsFile = "dictionary.safetensors";

    private static readonly string[] files = [ConfigFile, WeightsFile];
    private static readonly string[] sizes = ["model_dim", "feature_count"];

    /// <summary>Saves a dictionary in one step; a failure leaves the files that were there.</summary>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="dictionary">The dictionary.</param>
    /// <param name="hookName">The point of the model whose activations it codes.</param>
    /// <param name="modelName">The model, in the user's words.</param>
    public static void Save(string folder, SparseAutoencoder dictionary, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        Save(folder, dictionary, KindOf(dictionary.Options), dictionary.Options, hookName, modelName);
    }

    /// <summary>Saves a supervised dictionary.</summary>
    /// <inheritdoc cref="Save(string, SparseAutoencoder, string?, string?)"/>
    public static void Save(string folder, SupervisedDictionary dictionary, string? hookName = null, string? modelName = null)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        Save(folder, dictionary, KindOf(dictionary.Options), dictionary.Options, hookName, modelName);
    }

    /// <summary>Saves a dictionary of a kind of one's own.</summary>
    /// <param name="folder">The folder; everything in it that the save does not write stays.</param>
    /// <param name="dictionary">The dictionary, a module whose parameters and buffers are all it knows.</param>
    /// <param name="kind">Its kind; loading needs a registry that has it.</param>
    /// <param name="options">The options that the kind makes it from.</param>
    /// <param name="hookName">The point of the model whose activations it codes.</param>
    /// <param name="modelName">The model, in the user's words.</param>
    /// <exception cref="ArgumentException">The dictionary is no module.</exception>
    /// <exception cref="IOException">The folder cannot be written, or holds a <c>config.json</c> that is not a dictionary's; nothing was
    /// changed.</exception>
    public static void Save<TOptions>(string folder, IDictionary dictionary, Kind<TOptions, IDictionary> kind, TOptions options, string? hookName = null, string? modelName = null)
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
    /// <exception cref="SafetensorsException">The weights' file is damaged, or a tensor of it is not finite; names both.</exception>
    public static IDictionary Load(string folder, ComponentRegistry? kinds = null, Device? device = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        LibTorch.EnsureLoaded();
        return AtomicFolder.Read(folder, files, whole => LoadWhole(whole, kinds, device));
    }

    /// <summary>Reads what a folder's dictionary is, without its weights.</summary>
    public static DictionaryConfig ReadConfig(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.Read(folder, files, ConfigOf);
    }

    private static Kind<IDictionary> KindOf(object options) => DictionaryComponents.All.FirstOrDefault(kind => kind.OptionsType == options.GetType())
        ?? throw new ArgumentException($"LmKit.Interp has no kind of dictionary with {options.GetType().Name}; save it with its kind.", nameof(options));

    private static DictionaryConfig ConfigOf(string folder) => DictionaryConfig.Read(Path.Combine(folder, ConfigFile));

    private static IDictionary LoadWhole(string folder, ComponentRegistry? kinds, Device? device)
    {
        using var random = new Generator(0);
        var weights = Path.Combine(folder, WeightsFile);
        var dictionary = Create(Path.Combine(folder, ConfigFile), weights, new ParameterFactory(random, Dtype(weights), device), kinds);
        try
        {
            var module = dictionary as nn.Module ?? throw new ConfigurationException("$.kind", $"{dictionary.GetType().Name} is no module, so the weights of {weights} cannot be loaded into it.");
            CheckpointLoader.Load(module, weights);
            if (ModuleTensors.FirstNotFinite(ModuleTensors.Of(module)) is { } name)
                throw new SafetensorsException(weights, name, "it holds values that are not finite, so no code would be a number; save the dictionary again from a healthy one");
            module.eval();
            return dictionary;
        }
        catch
        {
            (dictionary as IDisposable)?.Dispose();
            throw;
        }
    }

    private static IDictionary Create(string file, string weights, ParameterFactory parameters, ComponentRegistry? kinds)
    {
        try
        {
            var config = DictionaryConfig.Read(file);
            CheckSizes(config, weights);
            return config.Create(parameters, kinds);
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.In(file, error);
        }
    }

    // Before anything is allocated: a size that the options state is one that the weights have.
    private static void CheckSizes(DictionaryConfig config, string weights)
    {
        using var reader = new SafetensorsReader(weights);
        var axes = reader.Entries.SelectMany(entry => entry.Shape).ToHashSet();
        if (config.Kind == DictionaryComponents.Supervised.Name && CountFeatures(config) is var count && !axes.Contains(count))
            throw new ConfigurationException("$.options.blocks", $"they have {count} features, which is no size of a tensor in {weights}; both must be of one dictionary.");
        foreach (var name in sizes)
        {
            if (config.Options[name] is JsonValue value && value.TryGetValue<long>(out var size) && !axes.Contains(size))
                throw new ConfigurationException($"$.options.{name}", $"{size} is no size of a tensor in {weights}; both must be of one dictionary.");
        }
    }

    private static long CountFeatures(DictionaryConfig config)
    {
        try
        {
            return ((SupervisedOptions)OptionsJson.Read(config.Options, typeof(SupervisedOptions), "$.options")).CountFeatures();
        }
        catch (ArgumentException error)
        {
            throw new ConfigurationException("$.options.blocks", error.Message, error);
        }
    }

    private static void Save(string folder, nn.Module dictionary, Kind kind, object options, string? hookName, string? modelName)
    {
        var config = new DictionaryConfig(kind.Name, kind.Package, OptionsJson.Write(options), hookName, modelName);
        AtomicFolder.Write(
            folder,
            target =>
            {
                using var frozen = no_grad();
                File.WriteAllText(Path.Combine(target, ConfigFile), config.ToJson());
                SafetensorsWriter.Save(Path.Combine(target, WeightsFile), ModuleTensors.Of(dictionary));
            },
            there => OwnFiles.Check(there, ConfigFile, WeightsFile, found => found["kind"] is JsonValue && found["package"] is JsonValue && found["options"] is JsonObject, "a dictionary"));
    }

    // Thresholds may be wider than the weights, never narrower.
    private static ScalarType Dtype(string weights)
    {
        using var reader = new SafetensorsReader(weights);
        return reader.Entries.Where(entry => entry.Shape.Count == 2 && entry.IsReadable).Select(entry => entry.ScalarType).DefaultIfEmpty(ScalarType.Float32).First();
    }
}
