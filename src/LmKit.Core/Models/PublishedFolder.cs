using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A published model as a folder: configurations, weights in one file or several, tokenizer files.</summary>
internal static class PublishedFolder
{
    private const string ConfigFile = PublishedLayout.ConfigFile;
    private const string GenerationFile = PublishedLayout.GenerationFile;

    // In the order in which they are looked for; what else a folder holds is of other libraries.
    private static readonly string[] weightsFiles = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

    private static readonly string[] names = [ConfigFile, GenerationFile, .. weightsFiles];

    private static readonly string[] tokenizerFiles =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
        "chat_template.jinja", "chat_template.json",
    ];

    internal static PublishedModel Load(string folder, ComponentRegistry kinds, Action<LanguageModelBuilder>? change, Device? device, ScalarType? dtype)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        if (dtype is { } type && !TensorCheck.IsFloating(type))
            throw new ArgumentException($"{type} is not a type of floating-point numbers; weights are loaded as {ScalarType.Float32}, {ScalarType.Float64}, {ScalarType.Float16} or {ScalarType.BFloat16}.", nameof(dtype));
        return AtomicFolder.Read(folder, names, whole => Open(whole, kinds, change, device, dtype, isFilled: true));
    }

    /// <summary>Opens a folder that nobody changes meanwhile.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kinds">The kinds that a change may name.</param>
    /// <param name="change">The change, or null.</param>
    /// <param name="device">Where.</param>
    /// <param name="dtype">The type; null for the file's.</param>
    /// <param name="isFilled">Whether values are read; otherwise files are compared with the model alone, which may be on the meta device.</param>
    internal static PublishedModel Open(string folder, ComponentRegistry kinds, Action<LanguageModelBuilder>? change, Device? device, ScalarType? dtype, bool isFilled)
    {
        var configPath = Path.Combine(folder, ConfigFile);
        try
        {
            if (!File.Exists(configPath) && UnfinishedDownload.In(folder) is { Length: > 0 } unfinished)
                throw new FileNotFoundException($"{configPath}: there is no such file{unfinished}.", configPath);
            if (ModelFolder.IsIn(folder))
                throw new ConfigurationException("$.format", $"is there: this is the folder of an LmKit model, not of a published one; open it with {nameof(LanguageModel)}.{nameof(LanguageModel.Load)}");
            var layout = PublishedLayout.Read(folder);
            using var files = CheckpointFiles.Open(WeightsPath(folder), isPublished: true);
            var weights = FamilyWeights.From(layout.Match(files.Entries), files);
            var model = ModelFolder.Make(layout.Config, kinds, change, device, dtype ?? weights.Stored, files, (model, targets, filling) =>
            {
                if (layout.GenerationFault is { } fault && model.Building.Plan.Winner(Slots.Sampler) is { } sampler && sampler.Index < layout.Config.Components.Length)
                    throw fault;
                targets ??= ModuleTensors.Of(model);
                weights.Check(targets, files);
                if (!isFilled)
                    return;
                weights.Fill(model, targets, files);
                filling.Finish();
            });
            return new PublishedModel(model, layout, weights, new PublishedSource(folder, files.FileNames, [.. weights.Names.Spare.Concat(files.Unlisted).Distinct().Order(StringComparer.Ordinal)], dtype ?? weights.Stored));
        }
        catch (ConfigurationException error)
        {
            throw ConfigurationException.In(configPath, error);
        }
    }

    /// <summary>Writes a model in its published form.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="model">The model.</param>
    /// <param name="layout">What it has to be of.</param>
    /// <param name="weights">Names and types of its tensors.</param>
    /// <param name="dtype">The type that the configuration has to name; null where it stays as it is.</param>
    /// <param name="tokenizerFolder">The folder that the tokenizer's files are copied from, or null.</param>
    /// <param name="more">Writes further files.</param>
    internal static void Save(string folder, LanguageModel model, PublishedLayout layout, FamilyWeights weights, ScalarType? dtype, string? tokenizerFolder, Action<string>? more)
    {
        using var use = UseGate.Enter(model);
        LayoutCheck.Check(model, layout);
        var isSame = tokenizerFolder is not null && Path.GetFullPath(folder) == Path.GetFullPath(tokenizerFolder);
        _ = AtomicFolder.Write(
            folder,
            target =>
            {
                File.WriteAllBytes(Path.Combine(target, ConfigFile), dtype is { } type ? WithType(layout.ConfigBytes, type) : layout.ConfigBytes);
                if (layout.GenerationBytes is { } generation)
                    File.WriteAllBytes(Path.Combine(target, GenerationFile), generation);
                weights.Save(Path.Combine(target, weightsFiles[0]), model, dtype is null);
                foreach (var file in tokenizerFiles.Where(file => !isSame && tokenizerFolder is not null && File.Exists(Path.Combine(tokenizerFolder, file))))
                    File.WriteAllBytes(Path.Combine(target, file), File.ReadAllBytes(Path.Combine(tokenizerFolder!, file)));
                more?.Invoke(target);
            },
            there =>
            {
                OwnFiles.Check(there, ConfigFile, weightsFiles[0], config => PublishedLayout.IsPublished(config) || ModelFolder.IsOf(config), "a model");
                if (layout.GenerationBytes is null && File.Exists(Path.Combine(there, GenerationFile)))
                    throw new IOException($"{Path.Combine(there, GenerationFile)} is there, and the model that is saved has none, so it would decide how text is drawn from it; nothing was changed. Choose another folder, or move the file away.");
            });
    }

    private static string WeightsPath(string folder)
    {
        foreach (var path in weightsFiles.Select(file => Path.Combine(folder, file)))
        {
            if (new FileInfo(path).LinkTarget is not null && InputFile.Fault(path) is { } fault)
                throw new FileNotFoundException($"{path}: {fault}{UnfinishedDownload.In(folder)}; complete the folder.", path);
            if (File.Exists(path))
                return path;
        }
        var other = Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal).FirstOrDefault(ModelFolder.IsWeights);
        throw new FileNotFoundException($"{folder}: it holds no weights: none of {string.Join(", ", weightsFiles)}{UnfinishedDownload.In(folder)}"
            + (other is null ? "; complete the folder." : $"; it holds {other}, which is not read. {Remedy(other)}"), Path.Combine(folder, weightsFiles[0]));
    }

    private static string Remedy(string other) => Path.GetExtension(other) switch
    {
        ".safetensors" => $"Download {weightsFiles[1]} if it is one of several files of the model, or rename it if it is the model's only one.",
        ".bin" => $"Download {weightsFiles[3]} if it is one of several files of the model, or rename it if it is the model's only one.",
        _ => "Convert it to safetensors where it was made, or rename it if it is the model's.",
    };

    // Only the value changes; every other byte stays.
    private static byte[] WithType(byte[] config, ScalarType type)
    {
        var name = type switch { ScalarType.BFloat16 => "\"bfloat16\""u8, ScalarType.Float16 => "\"float16\""u8, ScalarType.Float64 => "\"float64\""u8, _ => "\"float32\""u8 };
        var before = config.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;
        var reader = new Utf8JsonReader(config.AsSpan(before));
        var written = new MemoryStream();
        var done = 0;
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1 || !(reader.ValueTextEquals("torch_dtype") || reader.ValueTextEquals("dtype")))
                continue;
            _ = reader.Read();
            written.Write(config.AsSpan(done..(before + (int)reader.TokenStartIndex)));
            written.Write(name);
            done = before + (int)reader.BytesConsumed;
        }
        written.Write(config.AsSpan(done));
        return written.ToArray();
    }
}
