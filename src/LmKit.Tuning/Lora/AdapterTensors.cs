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
    /// <param name="publishedName">Turns our module name into the file's; null when they are the same.</param>
    /// <param name="folder">The folder, for errors.</param>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    /// <exception cref="AdapterException">A module has two.</exception>
    internal AdapterTensors(nn.Module model, Func<string, string>? publishedName, string folder)
    {
        Adapters = [.. LoraAdapters.All(model).Select(entry => (Published(entry.Name), entry.Adapter))];
        if (Adapters.Count == 0)
            throw new ArgumentException("The model has no adapter; add UseLora where it is built.", nameof(model));
        if (Adapters.GroupBy(entry => entry.Name).FirstOrDefault(group => group.Count() > 1) is { } several)
            throw new AdapterException(folder, $"{several.Key} has {several.Count()} adapters, and a folder of this layout holds one for each module, so it cannot say which is meant. Save the whole model (LanguageModel.Save), or build with one adapter for each module.");
        EmbeddingName = Published(TrainedRows.Embedding);

        string Published(string name) => publishedName?.Invoke(LoraAdapters.BaseName(name)) ?? LoraAdapters.BaseName(name);
    }

    /// <summary>The adapters by the module names of the file.</summary>
    internal IReadOnlyList<(string Name, ILoraAdapter Adapter)> Adapters { get; }

    /// <summary>The embedding's module name in the file.</summary>
    internal string EmbeddingName { get; }

    /// <summary>The factors by the file's tensor names.</summary>
    internal Dictionary<string, Tensor> Factors() => Adapters
        .SelectMany(entry => entry.Adapter.Parts.Select(part => (Name: Prefix + entry.Name + part.Ending, part.Value)))
        .ToDictionary(part => part.Name, part => (Tensor)part.Value, StringComparer.Ordinal);

    /// <summary>The name under which a folder keeps the rows of trained tokens.</summary>
    /// <param name="module">The embedding's name.</param>
    internal static string TokensName(string module) => Prefix + module + TokensEnding;
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
