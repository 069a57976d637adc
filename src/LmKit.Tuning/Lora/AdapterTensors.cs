using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Where the tensors of an adapter folder belong in a model.</summary>
internal sealed class AdapterTensors
{
    internal const string TokensEnding = ".token_adapter.trainable_tokens_delta";
    private const string Prefix = "base_model.model.";

    /// <summary>Lists a model's adapters under the names that a folder gives them.</summary>
    /// <param name="model">The model.</param>
    /// <param name="naming">Tells what our modules are in the file.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    /// <exception cref="AdapterException">A module has two, or parts of a module have none.</exception>
    internal AdapterTensors(nn.Module model, Func<string, PublishedModule> naming, string folder)
    {
        var all = LoraAdapters.All(model).Select(entry => (Name: LoraAdapters.BaseName(entry.Name), entry.Adapter)).ToList();
        if (all.Count == 0)
            throw new ArgumentException("The model has no adapter; add UseLora where it is built.", nameof(model));
        if (all.GroupBy(entry => entry.Name).FirstOrDefault(group => group.Count() > 1) is { } several)
            throw new AdapterException(folder, $"{naming(several.Key).Name} has {several.Count()} adapters, and a folder of this layout holds one for each module, so it cannot say which is meant. Save the whole model (LanguageModel.Save), or build with one adapter for each module.");
        var own = all.ToDictionary(entry => entry.Name, entry => entry.Adapter, StringComparer.Ordinal);
        var entries = new List<(string, ILoraAdapter)>();
        foreach (var (name, adapter) in all)
        {
            var module = naming(name);
            if (module.Ours.Length == 1)
                entries.Add((module.Name, adapter));
            else if (module.Ours[0] == name || !own.ContainsKey(module.Ours[0]))
                entries.Add((module.Name, FusedAdapter.Of(module, own, folder)));
            IsTransposed |= module.IsTransposed;
        }
        Adapters = entries;
        EmbeddingName = naming(TrainedRows.Embedding).Name;
    }

    /// <summary>The adapters by the module names of the file.</summary>
    internal IReadOnlyList<(string Name, ILoraAdapter Adapter)> Adapters { get; }

    /// <summary>The embedding's module name in the file.</summary>
    internal string EmbeddingName { get; }

    /// <summary>Whether the published base keeps a weight of theirs as (I, O).</summary>
    internal bool IsTransposed { get; }

    /// <summary>The factors by the file's tensor names.</summary>
    internal Dictionary<string, AdapterPart> Factors() => Adapters
        .SelectMany(entry => entry.Adapter.Parts.Select(part => (Name: Prefix + entry.Name + part.Ending, Part: part)))
        .ToDictionary(part => part.Name, part => part.Part, StringComparer.Ordinal);

    /// <summary>The name under which a folder keeps the rows of trained tokens.</summary>
    /// <param name="module">The embedding's name.</param>
    internal static string TokensName(string module) => Prefix + module + TokensEnding;
}

/// <summary>The adapters of several linears that a published file has as one: they share A, and their rows of B are the file's.</summary>
/// <remarks>Where they do not share A, as after training, the file's rank is the sum of theirs: all of A below each other, and B with zeros
/// where a row does not read them. Alpha follows, so that the scale is the same.</remarks>
internal sealed class FusedAdapter : ILoraAdapter
{
    private readonly ILoraAdapter[] parts;
    private readonly LayoutStep rows;

    private FusedAdapter(ILoraAdapter[] parts, LayoutStep rows) => (this.parts, this.rows) = (parts, rows);

    public int Rank => IsStacked ? parts.Sum(part => part.Rank) : parts[0].Rank;

    public double Alpha => parts[0].FullScale * (Options.IsRankStabilized ? Math.Sqrt(Rank) : Rank);

    public double Strength
    {
        get => parts[0].Strength;
        set => Array.ForEach(parts, part => part.Strength = value);
    }

    public bool IsEnabled
    {
        get => parts[0].IsEnabled;
        set => Array.ForEach(parts, part => part.IsEnabled = value);
    }

    public LoraOptions Options => parts[0].Options;

    public LoraOptions Record => parts[0].Record;

    /// <summary>Whether each part keeps an A of its own in the file; read from the values while it is saved.</summary>
    internal bool IsStacked { get; private set; }

    public IEnumerable<AdapterPart> Parts => parts[0].Parts.Select((part, index) =>
    {
        var values = parts.Select(other => other.Parts.ElementAt(index)).ToArray();
        long[] shape = part.Ending == LoraLinear.FirstEnding ? part.Shape : [values.Sum(value => value.Shape[0]), .. part.Shape[1..]];
        return new AdapterPart(part.Ending, shape, () => Read(part.Ending, [.. values.Select(value => value.Read())]), from => Write(part.Ending, from, values));
    });

    /// <summary>The adapters of a module of the file.</summary>
    /// <param name="module">The module.</param>
    /// <param name="adapters">All adapters by our names.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <exception cref="AdapterException">A part has no adapter, or one that differs from the others in what the file says once.</exception>
    internal static FusedAdapter Of(PublishedModule module, IReadOnlyDictionary<string, ILoraAdapter> adapters, string folder)
    {
        if (module.Ours.FirstOrDefault(name => !adapters.ContainsKey(name)) is { } without)
            throw new AdapterException(folder, $"{module.Name} is {string.Join(", ", module.Ours)} here, and {without} has no adapter, so a folder cannot say it. Put adapters on all of them or on none.");
        var parts = module.Ours.Select(name => adapters[name]).ToArray();
        foreach (var (index, part) in parts.Index())
        {
            var what = part.Rank != parts[0].Rank ? "rank" : part.FullScale != parts[0].FullScale || part.Strength != parts[0].Strength ? "scale" : part.IsEnabled != parts[0].IsEnabled ? "switch"
                : part.Options.IsWeightDecomposed != parts[0].Options.IsWeightDecomposed ? "use_dora" : part.Options.HasBias != parts[0].Options.HasBias ? "lora_bias" : null;
            if (what is not null)
                throw new AdapterException(folder, $"{module.Name} is {string.Join(", ", module.Ours)} here, whose adapters a folder describes as one, and the {what} of {module.Ours[index]} is not that of {module.Ours[0]}. Build them alike.");
        }
        return new FusedAdapter(parts, module.Rows);
    }

    /// <summary>Decides by the values whether the file can hold one A.</summary>
    internal void Stack()
    {
        var first = parts.Select(part => part.Parts.First(value => value.Ending == LoraLinear.FirstEnding).Read()).ToArray();
        IsStacked = !Array.TrueForAll(first, value => value.equal(first[0]).all().item<bool>());
    }

    private Tensor Read(string ending, Tensor[] values)
    {
        if (ending == LoraLinear.FirstEnding)
            return IsStacked ? cat(values, 0) : values[0];
        if (ending == LoraLinear.SecondEnding && IsStacked)
        {
            var rank = parts[0].Rank;
            values = [.. values.Select((value, index) => nn.functional.pad(value, [(long)index * rank, (values.Length - 1L - index) * rank]))]; // (O, R of all)
        }
        return rows.ToPublished(values, 1)[0];
    }

    private void Write(string ending, Tensor from, AdapterPart[] values)
    {
        var own = ending == LoraLinear.FirstEnding ? [.. values.Select(_ => from)] : rows.ToOurs([from], values.Length);
        foreach (var (value, tensor) in values.Zip(own))
            value.Write(tensor);
    }
}

/// <summary>The strengths that a folder's alphas contain, told in the weights file's metadata, so that a model built with the alphas alone
/// finds its strengths again. Other readers need only the alphas.</summary>
internal static class AdapterStrengths
{
    private const string Key = "lmkit.strengths";

    internal static Dictionary<string, string> Write(IReadOnlyList<(string Name, ILoraAdapter Adapter)> adapters)
    {
        var metadata = new Dictionary<string, string> { ["format"] = "pt" };
        var strengths = adapters.Where(entry => entry.Adapter.Strength != 1).OrderBy(entry => entry.Name, StringComparer.Ordinal).ToDictionary(entry => entry.Name, entry => entry.Adapter.Strength);
        if (strengths.Count > 0)
            metadata[Key] = JsonSerializer.Serialize(strengths);
        return metadata;
    }

    internal static IReadOnlyDictionary<string, double> Read(string path, IReadOnlyDictionary<string, string> metadata)
    {
        if (!metadata.TryGetValue(Key, out var text))
            return new Dictionary<string, double>();
        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, double>>(text) ?? [];
        }
        catch (JsonException error)
        {
            throw new AdapterException(path, $"the metadata {Key} is not the JSON it should be: {error.Message}", error);
        }
    }
}
