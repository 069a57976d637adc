using System.Text;
using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>What the <c>config.json</c> of a published model says: the family, LmKit's configuration for it, and the names of its weights. It holds no
/// weights. Folders have the layout of Hugging Face.</summary>
/// <remarks>A family is a configuration over LmKit's own slots and a table of names; none has a forward pass of its own.</remarks>
public sealed class PublishedLayout
{
    internal const string ConfigFile = "config.json";
    internal const string GenerationFile = "generation_config.json";

    private readonly PublishedPlan plan;
    private readonly PublishedGeneration generation;
    private readonly Lazy<KeyMap> written;

    private PublishedLayout(JsonObject root, JsonObject? generationRoot, byte[] configBytes, byte[]? generationBytes, Func<ConfigurationException, ConfigurationException> ofGeneration)
    {
        (ConfigBytes, GenerationBytes) = (configBytes, generationBytes);
        written = new(() => Match([]).Map);
        var config = new PublishedConfig(root);
        (Family, plan) = PublishedFamilies.Read(config);
        TrainedLength = config.TrySize(1, int.MaxValue, "max_position_embeddings", "n_positions", "max_seq_len") ?? config.TrySize(1, int.MaxValue, "seq_length");
        generation = PublishedGeneration.Read(config, generationRoot is null ? null : new PublishedConfig(generationRoot), plan.Builder.VocabSize, ofGeneration);
        Config = plan.Builder.AddAutoregressiveSampler(generation.Fill).Config;
        IgnoredOptions = [.. config.Unread.Order(StringComparer.Ordinal).Select(name => $"{ConfigFile} {name}"), .. generation.Unread.Order(StringComparer.Ordinal).Select(name => $"{GenerationFile} {name}")];
    }

    /// <summary>The families that can be loaded, by their <c>model_type</c>.</summary>
    public static IReadOnlyList<string> Families => PublishedFamilies.Names;

    /// <summary>The family, as <c>model_type</c> says it.</summary>
    public string Family { get; }

    /// <summary>The model as LmKit describes it, with the sampler that <c>generation_config.json</c> asks for (greedy where it does not say
    /// <c>do_sample</c>); building it gives a model whose weights are not the published ones.</summary>
    public ModelConfig Config { get; }

    /// <summary>Tokens of the longest text that the model was trained or scaled for; null where the file does not say it.</summary>
    public long? TrainedLength { get; }

    /// <summary>The options of the two files that change nothing here, each as file and JSON path.</summary>
    public IReadOnlyList<string> IgnoredOptions { get; }

    internal byte[] ConfigBytes { get; }

    internal byte[]? GenerationBytes { get; }

    /// <summary>What the generation settings ask for and the sampler cannot do; it matters only where the file's sampler stays.</summary>
    internal ConfigurationException? GenerationFault => generation.Fault;

    /// <summary>Reads the two files of a folder; <c>generation_config.json</c> may be missing.</summary>
    /// <exception cref="ConfigurationException">The family is unknown, or an option is missing, impossible or not supported; names file, option and
    /// value.</exception>
    /// <exception cref="IOException">There is no <c>config.json</c>.</exception>
    public static PublishedLayout Read(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var (path, generationPath) = (Path.Combine(folder, ConfigFile), Path.Combine(folder, GenerationFile));
        var bytes = Bytes(path);
        return Read(bytes, File.Exists(generationPath) ? Bytes(generationPath) : null, error => ConfigurationException.In(path, error), error => ConfigurationException.In(generationPath, error));

        static byte[] Bytes(string file) => InputFile.ReadAll(file, StrictJson.MaxBytes, (problem, cause) => ConfigurationException.In(file, new ConfigurationException("$", problem, cause)));
    }

    /// <summary>Reads the texts of the two files.</summary>
    /// <param name="configJson">The text of <c>config.json</c>.</param>
    /// <param name="generationJson">The text of <c>generation_config.json</c>; null for none.</param>
    /// <exception cref="ConfigurationException">The family is unknown, or an option is missing, impossible or not supported; names option and
    /// value.</exception>
    public static PublishedLayout FromJson(string configJson, string? generationJson = null)
    {
        ArgumentNullException.ThrowIfNull(configJson);
        return Read(Encoding.UTF8.GetBytes(configJson), generationJson is null ? null : Encoding.UTF8.GetBytes(generationJson), error => error, error => error);
    }

    /// <summary>A builder of new models in this layout, to be trained and saved under the published names.</summary>
    public LanguageModelBuilder CreateBuilder() => LanguageModelBuilder.From(Config);

    /// <summary>Whether a configuration file's object is of a published model and not of this library.</summary>
    internal static bool IsPublished(JsonObject root) => !root.ContainsKey("format") && (root.ContainsKey("model_type") || root.ContainsKey("architectures"));

    /// <summary>Finds the names of the weights in a file that holds some tensors: with or without what stands before the names of a model that has a
    /// head, decided once for the file.</summary>
    /// <param name="entries">What the file holds; nothing for a file that is to be written.</param>
    internal PublishedNames Match(IReadOnlyList<SafetensorsEntry> entries)
    {
        var names = entries.Select(entry => entry.Name).ToHashSet(StringComparer.Ordinal);
        var prefix = new[] { plan.Prefix, "" }.FirstOrDefault(start => names.Contains(start + plan.Embedding))
            ?? (names.Count == 0 || names.Any(name => name.StartsWith(plan.Prefix, StringComparison.Ordinal)) ? plan.Prefix : "");
        var (embedding, head) = (prefix + plan.Embedding, plan.Head + ".weight");
        var isHeadAlone = plan.IsTied && names.Contains(head) && !names.Contains(embedding);
        var map = new KeyMap([.. plan.Rows.Select(row => row with { Published = [.. row.Published.Select(Named)] })]);
        return new PublishedNames(map, [.. entries.Where(IsSpare).Select(entry => entry.Name)], plan.IsTied && names.Contains(head) && !isHeadAlone ? head : null, isHeadAlone ? head : embedding, head, plan.IsTied);

        string Named(string name)
        {
            var own = name.StartsWith(plan.Prefix, StringComparison.Ordinal) ? prefix + name[plan.Prefix.Length..] : name;
            return isHeadAlone && own == embedding ? head : own;
        }
    }

    /// <summary>What a linear of ours is in a file with a head: the file's module, and all of ours that are its rows.</summary>
    /// <param name="module">Our name, such as <c>layers.0.mixer.q_proj</c>.</param>
    internal PublishedModule ModuleOf(string module)
    {
        const string Weight = ".weight";
        if (module == LinearSite.Head)
            return new(plan.Head, [module], LayoutStep.Same, false);
        var use = written.Value.Uses([module + Weight])[0];
        return new(
            use.Published[0][..^Weight.Length],
            [.. use.Ours.Select(name => name[..^Weight.Length])],
            use.Step is SplitColumnsLayout ? LayoutStep.SplitRows() : use.Step is TransposeLayout ? LayoutStep.Same : use.Step,
            use.Step is SplitColumnsLayout or TransposeLayout);
    }

    // Buffers of older files: triangles of causal masks, the number that stood for hidden scores, and rotary's frequencies.
    private bool IsSpare(SafetensorsEntry entry) =>
        entry.Name == "rotary_emb.inv_freq"
        || entry.Name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)
        || (entry.Name.EndsWith($".{plan.Attention}.masked_bias", StringComparison.Ordinal) && entry.Shape.All(size => size == 1))
        || (entry.Name.EndsWith($".{plan.Attention}.bias", StringComparison.Ordinal) && entry.Shape is [1, 1, var rows, var columns] && rows == columns);

    private static PublishedLayout Read(byte[] config, byte[]? generation, Func<ConfigurationException, ConfigurationException> ofConfig, Func<ConfigurationException, ConfigurationException> ofGeneration)
    {
        try
        {
            return new PublishedLayout(
                Parse(config, ofConfig),
                generation is null ? null : Parse(generation, ofGeneration),
                config,
                generation,
                ofGeneration);
        }
        catch (ConfigurationException error)
        {
            throw ofConfig(error);
        }

        static JsonObject Parse(byte[] bytes, Func<ConfigurationException, ConfigurationException> of) =>
            StrictJson.ParseObject(bytes, (place, problem, cause) => of(new ConfigurationException(place, problem, cause)));
    }
}

/// <summary>The names of a published file.</summary>
/// <param name="Map">Between its names and ours.</param>
/// <param name="Spare">Its tensors that are not weights.</param>
/// <param name="TiedHead">A head that is stored although it is the embedding; null where there is none.</param>
/// <param name="Embedding">The table of tokens.</param>
/// <param name="Head">The head's weight, stored or not.</param>
/// <param name="IsTied">Whether the head is the embedding.</param>
internal sealed record PublishedNames(KeyMap Map, IReadOnlyList<string> Spare, string? TiedHead, string Embedding, string Head, bool IsTied);

/// <summary>A linear of a published file and ours that are its outputs.</summary>
/// <param name="Name">The file's module.</param>
/// <param name="Ours">Ours, in the order that <paramref name="Rows"/> takes them.</param>
/// <param name="Rows">How its outputs lie: what makes rows of ours from rows (O, ...) of the file.</param>
/// <param name="IsTransposed">Whether the file keeps the weight as (I, O).</param>
internal sealed record PublishedModule(string Name, string[] Ours, LayoutStep Rows, bool IsTransposed);
