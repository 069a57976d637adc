using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>What a folder's records depend on: options, sources, teacher. How fast they are made does not count.</summary>
internal static class DatasetManifest
{
    private const string Name = "manifest.json";
    private const int Schema = 1;

    /// <summary>Writes the manifest of a new folder, or compares it with an old one's.</summary>
    /// <exception cref="DatasetException">The folder was begun otherwise; names what differs.</exception>
    internal static void Check(string folder, DatasetOptions options, IChatClient teacher, IDocumentSource? source)
    {
        var path = Path.Combine(folder, Name);
        var decisive = JsonSerializer.SerializeToNode(
            new
            {
                options.Seed,
                options.SampleRate,
                options.SampleCount,
                options.IsShuffled,
                options.MinWords,
                options.MaxWords,
                options.Split,
                options.PromptPatterns,
                options.SystemPrompt,
                options.Temperature,
                options.MaxOutputTokens,
                options.SendsSeed,
                options.ShardLength,
            },
            JournalJson.Layout)!.AsObject();
        var sources = JsonSerializer.SerializeToNode(source?.Fingerprints ?? [], JournalJson.Layout);
        if (File.Exists(path))
        {
            Compare(path, decisive, sources!);
            return;
        }
        var metadata = teacher.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata;
        AtomicFile.WriteText(path, new JsonObject
        {
            ["schema"] = Schema,
            ["options"] = decisive,
            ["options_sha256"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(decisive.ToJsonString(JournalJson.Layout)))),
            ["sources"] = sources,
            ["teacher"] = new JsonObject { ["provider"] = metadata?.ProviderName, ["model"] = metadata?.DefaultModelId },
        }.ToJsonString(JournalJson.Indented) + "\n");
    }

    private static void Compare(string path, JsonObject now, JsonNode sources)
    {
        JsonObject then;
        try
        {
            then = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException)
        {
            throw new DatasetException(path, "it is not the JSON it should be. Restore it, or take another folder.", error);
        }
        var options = then["options"] as JsonObject ?? [];
        string[] differences = [.. now.Select(pair => pair.Key).Union(options.Select(pair => pair.Key))
            .Where(name => !JsonNode.DeepEquals(now[name], options[name]))
            .Select(name => $"{name} was {Text(options[name])}, now {Text(now[name])}")];
        if (differences.Length > 0)
            throw new DatasetException(path, $"the folder was begun with other options: {string.Join("; ", differences)}. Use those, or another folder.");
        if (!JsonNode.DeepEquals(then["sources"], sources))
            throw new DatasetException(path, $"the folder was begun with other sources: {Text(then["sources"])}, now {Text(sources)}. Use those, or another folder.");
    }

    private static string Text(JsonNode? node) => node?.ToJsonString(JournalJson.Layout) ?? "null";
}
