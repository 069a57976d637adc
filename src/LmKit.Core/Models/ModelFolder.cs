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

    // A save replaces the first two; the third may come from elsewhere.
    private static readonly string[] names = [ConfigFile, WeightsFile, IndexFile];

    internal static LanguageModel Load(string folder, ComponentRegistry kinds, Action<LanguageModelBuilder>? change, Device? device, ScalarType? dtype)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AtomicFolder.Read(folder, names, whole => Open(whole, kinds, change, device, dtype, (model, weights, allowCast, targets, filling) =>
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
        return AtomicFolder.Read(folder, names, whole =>
        {
            using var model = Open(whole, kinds, change, new Device(DeviceType.META), dtype, (model, weights, allowCast, targets, _) => CheckpointLoader.Check(model, weights, allowCast, targets));
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
        there => OwnFiles.Check(there, ConfigFile, WeightsFile, config => config["format"] is JsonValue && config["model"] is JsonObject && config["components"] is JsonArray, "a model"));

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
            ParameterFilling Filling(int? freshFrom) => new() { Budget = new ParameterBudget(weights.Path, weights.Entries.Sum(Values), weights.Entries.Count), FreshFrom = freshFrom };
            var stored = dtype ?? StoredDtype(weights.Entries.Select(entry => entry.ScalarType));
            var filling = Filling(change is null ? null : config.Components.Length);
            var (model, targets) = change is null
                ? (LanguageModel.Build(config, kinds, device, stored, false, filling), null)
                : ModelChange.Build(config, kinds, change, device, stored, Filling(null), filling, weights.Path);
            try
            {
                fill(model, weights, dtype is not null, targets, filling);
            }
            catch
            {
                model.Dispose();
                throw;
            }
            model.eval();
            return model;
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.In(configPath, error);
        }
    }

    private static ModelConfig ReadConfig(string path)
    {
        var root = StrictJson.ReadObject(path, (place, problem, cause) => new ConfigurationException(place, problem, cause));
        if (!root.ContainsKey("format") && (root.ContainsKey("model_type") || root.ContainsKey("architectures")))
        {
            var family = root["model_type"] ?? (root["architectures"] as JsonArray)?.FirstOrDefault();
            throw new ConfigurationException(
                "$.format",
                $"is missing: this is the configuration of a Hugging Face model ({StrictJson.Shown(family)}), not of an LmKit one. Compose the model with {nameof(LanguageModelBuilder)} "
                + $"and load its weights with {nameof(CheckpointLoader)} and a {nameof(KeyMap)} of its names.");
        }
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

    private static bool IsWeights(string name) => Path.GetExtension(name) is ".safetensors" or ".bin" or ".pt" or ".pth" or ".ckpt" or ".gguf" or ".onnx";

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
