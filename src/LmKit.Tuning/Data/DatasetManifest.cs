using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>What a folder's records depend on: options, sources, teacher, detector, evaluation data, tokenizer. How fast they are made
/// does not count.</summary>
internal static class DatasetManifest
{
    internal const string Kind = "dataset";
    internal const string JournalName = "journal.jsonl";
    private const int Schema = 2;

    // Tokenizers that cut this alike cut documents alike: words, case, digits, code, accents, other scripts, white space.
    private const string Probe = "The quick brown foxes' 3.14159 isn't {x_1: [2, 40]};\n\tSTRASSE na\u00efve \u00fcber \u4e2d\u6587 \u043c\u0438\u0440 \ud83d\udc4d  end";

    /// <summary>Writes the manifest of a new folder, or compares it with an old one's.</summary>
    /// <exception cref="DatasetException">The folder was begun otherwise; names what differs.</exception>
    internal static void Check(RunFolder run, NonInstructionalDataset dataset, IChatClient teacher, DatasetOptions options, IDocumentSource? source)
    {
        var decisive = Node(new
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
        })!.AsObject();
        var now = new JsonObject
        {
            ["schema"] = Schema,
            ["options"] = decisive,
            ["options_sha256"] = Hash(decisive.ToJsonString(JournalJson.Layout)),
            ["sources"] = Node(source?.Fingerprints ?? []),
            ["teacher"] = Client(teacher),
            ["detector"] = dataset.Detector is { } detector ? Client(detector) : null,
            ["evaluation_sha256"] = dataset.Evaluation?.Hash,
            ["tokenizer"] = dataset.Tokenizer is { } tokenizer ? Tokens(tokenizer) : null,
        };
        if (run.Manifest is { } then)
            Compare(run.ManifestPath, then, now);
        else
            run.Begin(now);
    }

    private static void Compare(string path, JsonObject then, JsonObject now)
    {
        var (before, options) = (then["options"] as JsonObject ?? [], now["options"]!.AsObject());
        string[] differences = [.. options.Select(pair => pair.Key).Union(before.Select(pair => pair.Key))
            .Where(name => !JsonNode.DeepEquals(options[name], before[name]))
            .Select(name => $"{name} was {Text(before[name])}, now {Text(options[name])}")];
        if (differences.Length > 0)
            throw new DatasetException(path, $"the folder was begun with other options: {string.Join("; ", differences)}. Use those, or another folder.");
        foreach (var (member, name) in new[] { ("sources", "other sources"), ("teacher", "another teacher"), ("detector", "another detector"), ("evaluation_sha256", "other evaluation data"), ("tokenizer", "another tokenizer"), ("schema", "another schema") })
        {
            if (!JsonNode.DeepEquals(then[member], now[member]))
                throw new DatasetException(path, $"the folder was begun with {name}: {Text(then[member])}, now {Text(now[member])}. Use what it was begun with, or another folder.");
        }
    }

    // A client that tells nothing of its model is known by its type.
    private static JsonObject Client(IChatClient client)
    {
        var metadata = client.GetService(typeof(ChatClientMetadata)) as ChatClientMetadata;
        return new JsonObject { ["provider"] = metadata?.ProviderName, ["model"] = metadata?.DefaultModelId ?? client.GetType().Name };
    }

    private static JsonObject Tokens(Tokenizer tokenizer) => new()
    {
        ["type"] = tokenizer.GetType().Name,
        ["probe_sha256"] = Hash(string.Join(' ', tokenizer.EncodeToIds(Probe))),
    };

    private static JsonNode? Node<TValue>(TValue value) => JsonSerializer.SerializeToNode(value, JournalJson.Layout);

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Text(JsonNode? node) => StrictJson.Shown(node?.ToJsonString(JournalJson.Layout) ?? "null");
}
