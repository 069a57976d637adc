using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A model as a folder: <c>config.json</c>, and <c>model.safetensors</c> or the several files of an index.</summary>
internal static class ModelFolder
{
    private const string ConfigFile = "config.json";
    private const string WeightsFile = "model.safetensors";
    private const string IndexFile = WeightsFile + CheckpointFiles.IndexEnding;

    // A save replaces some of them; others may come from elsewhere.
    private static readonly string[] names = [ConfigFile, WeightsFile, IndexFile];

    internal static LanguageModel Load(string folder, ComponentRegistry kinds, Action<LanguageModelBuilder>? change, Device? device, ScalarType? dtype)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.Read(folder, names, whole => IsPublished(whole)
            ? PublishedFolder.Open(whole, kinds, change, device, dtype, isFilled: true).Model
            : Open(whole, kinds, change, device, dtype, (model, weights, allowCast, targets, filling) =>
            {
                if (CheckpointLoader.LoadFinite(model, weights, allowCast, targets) is { } name)
                    throw new ArgumentException($"{weights.Path}: '{name}' holds values that are not finite, so no output would be a number; take an earlier checkpoint.", nameof(folder));
                filling.Finish();
            }));
    }

    /// <summary>Finds what would keep a folder from being loaded, without its values: the configuration with the change, and names, shapes and
    /// types of all weights.</summary>
    /// <returns>The size of its vocabulary.</returns>
    internal static long Check(string folder, ComponentRegistry kinds, Action<LanguageModelBuilder>? change, ScalarType? dtype)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var nowhere = new Device(DeviceType.META);
        return AtomicFolder.Read(folder, names, whole =>
        {
            using var model = IsPublished(whole)
                ? PublishedFolder.Open(whole, kinds, change, nowhere, dtype, isFilled: false).Model
                : Open(whole, kinds, change, nowhere, dtype, (model, weights, allowCast, targets, _) => CheckpointLoader.Check(model, weights, allowCast, targets));
            return model.VocabSize;
        });
    }

    internal static void Save(string folder, LanguageModel model, Action<string>? more) => AtomicFolder.Write(
        folder,
        target =>
        {
            using var frozen = no_grad();
            File.WriteAllText(Path.Combine(target, ConfigFile), model.Config.ToJson());
            SafetensorsWriter.Save(Path.Combine(target, WeightsFile), ModuleTensors.Of(model));
            more?.Invoke(target);
        },
        there => OwnFiles.Check(there, ConfigFile, WeightsFile, IsOf, "a model"));

    /// <summary>Whether a configuration is a model's of this library.</summary>
    internal static bool IsOf(JsonObject config) => config["format"] is JsonValue && config["model"] is JsonObject && config["components"] is JsonArray;

    /// <summary>Builds a model that weights will fill.</summary>
    /// <param name="config">What to build.</param>
    /// <param name="kinds">The kinds it may name.</param>
    /// <param name="change">The change, or null.</param>
    /// <param name="device">Where.</param>
    /// <param name="dtype">Type of the parameters.</param>
    /// <param name="weights">What will fill it, which bounds what may be asked for.</param>
    /// <param name="fill">Fills it: the model, its tensors by the names they have without the change (null for its own), and what to finish.</param>
    internal static LanguageModel Make(
        ModelConfig config,
        ComponentRegistry kinds,
        Action<LanguageModelBuilder>? change,
        Device? device,
        ScalarType dtype,
        CheckpointFiles weights,
        Action<LanguageModel, IReadOnlyDictionary<string, Tensor>?, ParameterFilling> fill)
    {
        ParameterFilling Filling(int? freshFrom) => new() { Budget = new ParameterBudget(weights.Path, weights.Entries.Sum(Values), weights.Entries.Count), FreshFrom = freshFrom };
        var filling = Filling(change is null ? null : config.Components.Length);
        var (model, targets) = change is null
            ? (LanguageModel.Build(config, kinds, device, dtype, false, filling), null)
            : ModelChange.Build(config, kinds, change, device, dtype, Filling(null), filling, weights.Path);
        try
        {
            fill(model, targets, filling);
        }
        catch
        {
            model.Dispose();
            throw;
        }
        model.eval();
        return model;
    }

    private static LanguageModel Open(
        string folder,
        ComponentRegistry kinds,
        Action<LanguageModelBuilder>? change,
        Device? device,
        ScalarType? dtype,
        Action<LanguageModel, CheckpointFiles, bool, IReadOnlyDictionary<string, Tensor>?, ParameterFilling> fill)
    {
        var configPath = Path.Combine(folder, ConfigFile);
        try
        {
            var config = ReadConfig(configPath);
            using var weights = CheckpointFiles.Open(WeightsPath(folder));
            var stored = dtype ?? StoredDtype(weights.Entries.Select(entry => entry.ScalarType));
            return Make(config, kinds, change, device, stored, weights, (model, targets, filling) => fill(model, weights, dtype is not null, targets, filling));
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.In(configPath, error);
        }
    }

    /// <summary>Whether a folder is a model's of this library.</summary>
    internal static bool IsIn(string folder) => Is(folder, IsOf);

    private static bool IsPublished(string folder) => Is(folder, PublishedLayout.IsPublished);

    private static bool Is(string folder, Func<JsonObject, bool> isOf)
    {
        var path = Path.Combine(folder, ConfigFile);
        return File.Exists(path) && isOf(StrictJson.ReadObject(path, (place, problem, cause) => ConfigurationException.In(path, new ConfigurationException(place, UnfinishedDownload.Remedied(problem, cause, path), cause))));
    }

    private static ModelConfig ReadConfig(string path)
    {
        var root = StrictJson.ReadObject(path, (place, problem, cause) => new ConfigurationException(place, problem, cause));
        return ModelConfig.FromJson(root.ToJsonString());
    }

    private static string WeightsPath(string folder)
    {
        if (File.Exists(Path.Combine(folder, WeightsFile)))
            return Path.Combine(folder, WeightsFile);
        if (File.Exists(Path.Combine(folder, IndexFile)))
            return Path.Combine(folder, IndexFile);
        var path = Path.Combine(folder, WeightsFile);
        var other = Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal).FirstOrDefault(IsWeights);
        throw new FileNotFoundException(other is null
            ? $"{path}: there is no such file, and no {IndexFile}."
            : $"{path}: there is no such file, and no {IndexFile}; the folder holds {other}. {Remedy(other)}", path);
    }

    internal static bool IsWeights(string name) => Path.GetExtension(name) is ".safetensors" or ".bin" or ".pt" or ".pth" or ".ckpt" or ".gguf" or ".onnx";

    private static string Remedy(string name) => Path.GetExtension(name) switch
    {
        ".safetensors" => $"Rename it if it is the model's, or add the {IndexFile} that lists the files.",
        ".bin" or ".pt" or ".pth" or ".ckpt" => $"Read it with {nameof(PickleReader)}, load it into the model with {nameof(CheckpointLoader)}, and save the model.",
        _ => "Convert it to safetensors where it was made.",
    };

    private static long Values(SafetensorsEntry entry) => entry.IsReadable ? entry.ByteCount / SafetensorsTypes.Size(entry.ScalarType) : entry.ByteCount;

    // A model in half precision may keep single parameters in float32, never the other way round, so its dtype is the narrowest.
    internal static ScalarType StoredDtype(IEnumerable<ScalarType> types) => types
        .Where(type => type is ScalarType.Float64 or ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16)
        .DefaultIfEmpty(ScalarType.Float32)
        .MinBy(SafetensorsTypes.Size);
}
