using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Adapters as PEFT keeps them: a folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
/// <remarks>Nothing but these two files is opened; pickled weights never are.</remarks>
public static class AdapterFile
{
    private const string ConfigName = "adapter_config.json";
    private const string WeightsName = "adapter_model.safetensors";
    private const string Prefix = "base_model.model.";

    // The component names of an adapter and their endings in the file.
    private static readonly (string Ours, string Published)[] Parts =
    [
        ("lora_A", ".lora_A.weight"), ("lora_B", ".lora_B.weight"), ("lora_bias", ".lora_B.bias"), ("lora_magnitude_vector", ".lora_magnitude_vector"),
    ];

    /// <summary>Reads the configuration of an adapter folder, from which a model with such adapters is built.</summary>
    /// <exception cref="AdapterException">The folder holds no usable adapter.</exception>
    public static AdapterConfig ReadConfig(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return AdapterConfig.Read(Path.Combine(folder, ConfigName));
    }

    /// <summary>Loads the weights of every adapter of a model, all of them or none.</summary>
    /// <param name="model">The model; it was built with adapters of the folder's configuration.</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="publishedName">Turns our module name into the file's; null when they are the same.</param>
    /// <exception cref="AdapterException">The folder holds no usable adapter.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the model's adapters; lists every mismatch.</exception>
    public static void Load(nn.Module model, string folder, Func<string, string>? publishedName = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var config = ReadConfig(folder);
        var path = Path.Combine(folder, WeightsName);
        if (!File.Exists(path))
        {
            var pickled = Directory.EnumerateFiles(folder).FirstOrDefault(file => Path.GetExtension(file) is ".bin" or ".pt" or ".pth");
            throw new AdapterException(path, pickled is null
                ? "the file is missing."
                : $"the file is missing; {Path.GetFileName(pickled)} is pickled code and is never opened. Convert it to safetensors where it was made.");
        }
        var targets = Tensors(model, publishedName);
        CheckScales(model, config, folder);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var reader = new SafetensorsReader(path);
        Check(path, targets, reader);
        foreach (var (name, target) in targets)
            target.copy_(reader.Read(name));
    }

    /// <summary>Saves every adapter of a model as an adapter folder, in one step.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder, which may be the model's; everything in it but the two files stays.</param>
    /// <param name="publishedName">Turns our module name into the file's; null when they are the same.</param>
    /// <param name="like">A configuration whose targets and names are kept; null writes the adapted modules' own names.</param>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    public static void Save(nn.Module model, string folder, Func<string, string>? publishedName = null, AdapterConfig? like = null)
    {
        var adapters = LoraAdapters.Of(model);
        if (adapters.Count == 0)
            throw new ArgumentException("The model has no adapter to save.", nameof(model));
        var config = like ?? new AdapterConfig(adapters[0].Adapter.Options, [.. adapters.Select(entry => Published(entry.Name, publishedName)).Distinct()]);
        AtomicFolder.Write(folder, target =>
        {
            File.WriteAllText(Path.Combine(target, ConfigName), config.ToJson());
            SafetensorsWriter.Save(Path.Combine(target, WeightsName), Tensors(model, publishedName), new Dictionary<string, string> { ["format"] = "pt" });
        });
    }

    private static Dictionary<string, Tensor> Tensors(nn.Module model, Func<string, string>? publishedName)
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var (name, adapter) in LoraAdapters.Of(model))
        {
            foreach (var (ours, published) in Parts)
            {
                if (adapter.get_parameter(ours) is not { } parameter)
                    continue;
                if (!tensors.TryAdd(Prefix + Published(name, publishedName) + published, parameter))
                    throw new ArgumentException($"{name} has two adapters; a folder of this layout holds one for each module.", nameof(model));
            }
        }
        return tensors;
    }

    private static string Published(string name, Func<string, string>? publishedName)
    {
        name = name.Replace(".base_layer", "", StringComparison.Ordinal);
        return publishedName?.Invoke(name) ?? name;
    }

    private static void CheckScales(nn.Module model, AdapterConfig config, string folder)
    {
        foreach (var (name, adapter) in LoraAdapters.Of(model))
        {
            var alpha = LoraPattern.Resolve(config.Lora.AlphaPattern, name, config.Lora.Alpha);
            if (alpha != adapter.Alpha || config.Lora.IsRankStabilized != adapter.Options.IsRankStabilized)
                throw new AdapterException(folder, $"{name} has alpha {alpha} and use_rslora {config.Lora.IsRankStabilized} in the file, {adapter.Alpha} and {adapter.Options.IsRankStabilized} in the model; build the model with the file's configuration.");
        }
    }

    private static void Check(string path, Dictionary<string, Tensor> targets, SafetensorsReader reader)
    {
        var found = reader.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        var missing = targets.Keys.Where(name => !found.ContainsKey(name)).ToArray();
        var unexpected = found.Keys.Where(name => !targets.ContainsKey(name)).ToArray();
        var wrong = targets.Where(pair => found.TryGetValue(pair.Key, out var entry) && !entry.Shape.SequenceEqual(pair.Value.shape))
            .Select(pair => new TensorMismatch(pair.Key, $"({string.Join(", ", pair.Value.shape)})", $"({string.Join(", ", found[pair.Key].Shape)})"))
            .ToArray();
        if (missing.Length + unexpected.Length + wrong.Length > 0)
            throw new CheckpointMismatchException(path, missing, unexpected, wrong, []);
    }
}
