using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Adapters as PEFT keeps them: a folder with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
/// <remarks>
/// <para>Nothing but these two files is opened; pickled weights never are. A folder holds one adapter for each module, its strength within
/// its alpha, and the embedding rows of trained tokens (<c>trainable_token_indices</c>), which replace the base's rows. Whether
/// adapters are switched on is the model's affair and not the folder's; so is dropout where modules differ in it (the first one's is written).</para>
/// <para>A model may be merged or not while it saves or loads.</para>
/// </remarks>
public static class AdapterFile
{
    private const string ConfigName = "adapter_config.json";
    private const string WeightsName = "adapter_model.safetensors";

    /// <summary>Reads the configuration of an adapter folder, from which a model with such adapters is built.</summary>
    /// <exception cref="AdapterException">The folder holds no usable adapter.</exception>
    public static AdapterConfig ReadConfig(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        return Read(folder, whole => AdapterConfig.ReadIfThere(Path.Combine(whole, ConfigName)));
    }

    /// <summary>Loads the weights of every adapter of a model, all of them or none.</summary>
    /// <param name="model">The model; it was built with adapters of the folder's configuration, one for each module.</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="publishedName">Turns our module name into the file's; null when they are the same.</param>
    /// <remarks>Afterwards each adapter acts with the folder's scale: its strength becomes 1, the one it was saved with, or stays where it makes
    /// the scale that the folder states. An adapter that is switched off stays off. Half precision is read into the model's float32.</remarks>
    /// <exception cref="AdapterException">The folder holds no usable adapter, one that is scaled otherwise or targets other modules, or weights
    /// that are not finite.</exception>
    /// <exception cref="CheckpointMismatchException">The weights do not fit the model's adapters; lists every mismatch.</exception>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    public static void Load(nn.Module model, string folder, Func<string, string>? publishedName = null) => Load(model, folder, Naming(publishedName));

    /// <summary>Loads the adapters that were made for a published model, under its own module names; where these are several of ours as one, such as
    /// <c>c_attn</c>, each gets its rows.</summary>
    /// <param name="model">The model; it was built with adapters of the folder's configuration
    /// (<see cref="LoraComponent.UseLora(LanguageModelBuilder, AdapterConfig, PublishedLayout)"/>).</param>
    /// <param name="folder">The adapter folder.</param>
    /// <param name="layout">The layout of the published model.</param>
    /// <inheritdoc cref="Load(nn.Module, string, Func{string, string}?)"/>
    public static void Load(nn.Module model, string folder, PublishedLayout layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        Load(model, folder, layout.ModuleOf);
    }

    private static void Load(nn.Module model, string folder, Func<string, PublishedModule> naming)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var places = new AdapterTensors(model, naming, folder);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (config, path, tensors, metadata) = Read(folder, whole =>
        {
            var config = AdapterConfig.ReadIfThere(Path.Combine(whole, ConfigName));
            var path = Path.Combine(whole, WeightsName);
            using var reader = new SafetensorsReader(path);
            return (config, path, reader.ReadAll(), reader.Metadata);
        });
        var table = TrainedRows.Table(model);
        var rows = TakeRows(config, path, places, table, tensors);
        var targets = places.Factors();
        Check(path, targets, tensors, rows, places);
        var strengths = Strengths(config, places, AdapterStrengths.Read(path, metadata), folder);
        CheckTokens(model, config, folder);
        if ((ModuleTensors.FirstNotFinite(tensors) ?? (rows is { } held && !held.isfinite().all().item<bool>() ? AdapterTensors.TokensName(places.EmbeddingName) : null)) is { } broken)
            throw new AdapterException(path, $"'{broken}' holds values that are not finite, so no output would be a number; nothing was loaded. Take an earlier adapter.");
        foreach (var (name, target) in targets)
            target.Write(tensors[name]);
        if (rows is not null)
            TrainedRows.Of(table!, config.Lora.TrainedTokens).Write(rows);
        foreach (var ((_, adapter), strength) in places.Adapters.Zip(strengths))
            adapter.Strength = strength;
        TrainedRows.Note(model, config.Lora.TrainedTokens);
        IPreparedWeights.ForgetAll(model);
    }

    /// <summary>Saves every adapter of a model as an adapter folder, in one step.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder, which may be the model's; everything in it but the two files stays.</param>
    /// <param name="publishedName">Turns our module name into the file's; null when they are the same.</param>
    /// <param name="like">A configuration whose targets and names are kept; null writes the adapted modules' own names.</param>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    /// <exception cref="AdapterException">One folder cannot say what these adapters are, more than the adapters was trained, or a weight is
    /// not finite; names it. Nothing was written.</exception>
    public static void Save(nn.Module model, string folder, Func<string, string>? publishedName = null, AdapterConfig? like = null) => Save(model, folder, Naming(publishedName), like);

    /// <summary>Saves the adapters of a model of a published layout under its own module names, for whoever has the published model. Adapters on
    /// several of ours that the layout has as one become one, whose rank is the sum of theirs unless they share their first factor.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">The folder, which may be the model's; everything in it but the two files stays.</param>
    /// <param name="layout">The layout of the published model.</param>
    /// <param name="like">A configuration whose targets and names are kept; null writes the adapted modules' own names.</param>
    /// <inheritdoc cref="Save(nn.Module, string, Func{string, string}?, AdapterConfig?)"/>
    public static void Save(nn.Module model, string folder, PublishedLayout layout, AdapterConfig? like = null)
    {
        ArgumentNullException.ThrowIfNull(layout);
        Save(model, folder, layout.ModuleOf, like);
    }

    private static void Save(nn.Module model, string folder, Func<string, PublishedModule> naming, AdapterConfig? like)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var places = new AdapterTensors(model, naming, folder);
        var tokens = TrainedRows.Tokens(model);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        CheckNothingElseTrained(model, tokens.Length > 0 ? TrainedRows.Table(model) : null, folder);
        foreach (var fused in places.Adapters.Select(entry => entry.Adapter).OfType<FusedAdapter>())
            fused.Stack();
        var config = AdapterDescription.Of(places.Adapters, tokens, folder, like);
        if (like is null)
            config = config with { IsTransposed = places.IsTransposed };
        var tensors = places.Factors().ToDictionary(pair => pair.Key, pair => pair.Value.Read());
        if (config.Lora.TrainedTokens.Length > 0)
        {
            var table = TrainedRows.Table(model)
                ?? throw new AdapterException(folder, "rows of trained tokens belong to the adapters, and the model has no embedding by the name that they are kept under.");
            tensors[AdapterTensors.TokensName(places.EmbeddingName)] = TrainedRows.Of(table, config.Lora.TrainedTokens).Values;
        }
        if (ModuleTensors.FirstNotFinite(tensors) is { } broken)
            throw new AdapterException(folder, $"'{broken}' holds values that are not finite; nothing was written. Go back to the last good checkpoint.");
        OwnFiles.Check(folder, ConfigName, WeightsName, found => (string?)found["peft_type"] is null or "LORA", "an adapter");
        var json = config.ToJson();
        AtomicFolder.Write(folder, target =>
        {
            File.WriteAllText(Path.Combine(target, ConfigName), json);
            SafetensorsWriter.Save(Path.Combine(target, WeightsName), tensors, AdapterStrengths.Write(places.Adapters));
        });
    }

    private static T Read<T>(string folder, Func<string, T> read)
    {
        try
        {
            return AtomicFolder.Read(folder, [ConfigName, WeightsName], read); // whatever else lies there may change
        }
        catch (IOException error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            var path = Path.Combine(folder, File.Exists(Path.Combine(folder, ConfigName)) ? WeightsName : ConfigName);
            var pickled = path.EndsWith(WeightsName, StringComparison.Ordinal)
                ? Directory.EnumerateFiles(folder).FirstOrDefault(file => Path.GetExtension(file) is ".bin" or ".pt" or ".pth")
                : null;
            throw new AdapterException(
                path,
                pickled is null ? "the file is missing." : $"the file is missing; {Path.GetFileName(pickled)} is pickled code and is never opened. Convert it to safetensors where it was made.",
                error);
        }
    }

    // Takes the rows of trained tokens out of the file's tensors.
    private static Tensor? TakeRows(AdapterConfig config, string path, AdapterTensors places, Tensor? table, Dictionary<string, Tensor> tensors)
    {
        var tokens = config.Lora.TrainedTokens;
        if (tokens.Length == 0)
            return null; // rows that no token claims are listed as unexpected
        if (config.TrainedTokensModule is { } module && !LoraPattern.IsNamed([module], places.EmbeddingName))
            throw new AdapterException(path, $"trainable_token_indices names rows of {module}; only those of the input embedding, {places.EmbeddingName}, are supported.");
        if (table is null)
            throw new AdapterException(path, "the folder holds embedding rows of trained tokens, and the model has no embedding to take them.");
        if (tokens.Max() >= table.size(0))
            throw new AdapterException(path, $"trainable_token_indices holds {tokens.Max()}, outside the vocabulary of {table.size(0)}.");
        // Without a module's name the rows are the input embedding's, whatever it is called there.
        var name = AdapterTensors.TokensName(places.EmbeddingName);
        if (!tensors.ContainsKey(name) && config.TrainedTokensModule is null && tensors.Keys.Where(key => key.EndsWith(AdapterTensors.TokensEnding, StringComparison.Ordinal)).ToArray() is [var only])
            name = only;
        _ = tensors.Remove(name, out var rows);
        if (rows is null)
            throw new CheckpointMismatchException(path, [name], [], [], []);
        if (!rows.is_floating_point() || rows.dim() != 2 || rows.size(0) != tokens.Length || rows.size(1) != table.size(1))
            throw new CheckpointMismatchException(path, [], [], [new TensorMismatch(name, $"({tokens.Length}, {table.size(1)})", $"({string.Join(", ", rows.shape)}) of {rows.dtype}")], []);
        return rows;
    }

    private static Func<string, PublishedModule> Naming(Func<string, string>? publishedName) => name => new PublishedModule(publishedName?.Invoke(name) ?? name, [name], LayoutStep.Same, false);

    private static void Check(string path, Dictionary<string, AdapterPart> targets, Dictionary<string, Tensor> found, Tensor? rows, AdapterTensors places)
    {
        var missing = targets.Keys.Where(name => !found.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        var unexpected = found.Keys.Where(name => !targets.ContainsKey(name)).Order(StringComparer.Ordinal).ToArray();
        var both = targets.Where(pair => found.ContainsKey(pair.Key)).ToArray();
        var wrongShape = both.Where(pair => !found[pair.Key].shape.SequenceEqual(pair.Value.Shape))
            .Select(pair => new TensorMismatch(pair.Key, $"({string.Join(", ", pair.Value.Shape)})", $"({string.Join(", ", found[pair.Key].shape)})"))
            .ToArray();
        var wrongType = both.Where(pair => !found[pair.Key].is_floating_point())
            .Select(pair => new TensorMismatch(pair.Key, "a floating type", found[pair.Key].dtype.ToString()))
            .ToArray();
        if (missing.Length + unexpected.Length + wrongShape.Length + wrongType.Length > 0)
            throw new CheckpointMismatchException(path, missing, unexpected, wrongShape, wrongType);
    }

    // The strength with which each adapter has the folder's scale.
    private static double[] Strengths(AdapterConfig config, AdapterTensors places, IReadOnlyDictionary<string, double> saved, string folder)
    {
        var strengths = new List<double>();
        foreach (var (name, adapter) in places.Adapters)
        {
            if (!config.Targets(name))
                throw new AdapterException(folder, $"{name} has weights in the folder, and {ConfigName} does not target it (target_modules, exclude_modules, layers_to_transform), so PEFT would leave them out. Correct the configuration, or remove the tensors.");
            if (adapter is LoraLinear && config.Lora.IsWeightDecomposed != adapter.Options.IsWeightDecomposed)
                throw new AdapterException(folder, $"{name} has use_dora {config.Lora.IsWeightDecomposed} in the file and {adapter.Options.IsWeightDecomposed} in the model; build the model with the file's configuration.");
            var scale = AdapterDescription.Scale(config, name);
            double[] possible = [1, saved.GetValueOrDefault(name, 1), adapter.Strength];
            if (possible.Any(strength => AdapterDescription.IsSame(scale, adapter.FullScale * strength)))
                strengths.Add(possible.First(strength => AdapterDescription.IsSame(scale, adapter.FullScale * strength)));
            else
                throw new AdapterException(folder, $"{name} has alpha {LoraPattern.Resolve(config.Lora.AlphaPattern, name, config.Lora.Alpha)} and use_rslora {config.Lora.IsRankStabilized} in the file, {adapter.Alpha} and {adapter.Options.IsRankStabilized} in the model; build the model with the file's configuration.");
        }
        return [.. strengths];
    }

    private static void CheckTokens(nn.Module model, AdapterConfig config, string folder)
    {
        var left = TrainedRows.Tokens(model).Except(config.Lora.TrainedTokens).ToArray();
        if (left.Length > 0)
            throw new AdapterException(folder, $"embedding rows of tokens {string.Join(", ", left)} were trained with the adapter that is in the model, and the folder has none to replace them. Load into a model that is built from the base anew.");
    }

    private static void CheckNothingElseTrained(nn.Module model, Tensor? table, string folder)
    {
        foreach (var (name, parameter) in model.named_parameters())
        {
            using var scope = NewDisposeScope();
            if (LoraAdapters.IsPart(name) || ReferenceEquals(parameter, table) || parameter.grad is not { } gradient || gradient.count_nonzero().item<long>() == 0)
                continue;
            throw new AdapterException(folder, $"'{name}' holds a gradient, so more than the adapters was trained, and a folder of adapters would lose it. Save the whole model (LanguageModel.Save), or train adapters alone (LoraAdapters.FreezeOthers); clear the gradient (zero_grad) if no step was taken with it.");
        }
    }
}

/// <summary>An adapter folder that cannot be used: names the file, the key and the remedy.</summary>
/// <param name="path">The file or folder.</param>
/// <param name="problem">What is wrong, with the remedy.</param>
/// <param name="innerException">The cause, where there is one.</param>
public sealed class AdapterException(string path, string problem, Exception? innerException = null)
    : Exception($"{path}: {problem}", innerException)
{
    /// <summary>The file or folder.</summary>
    public string Path { get; } = path;
}
