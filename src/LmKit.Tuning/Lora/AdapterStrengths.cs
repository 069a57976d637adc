using System.Text.Json;

namespace LmKit;

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
