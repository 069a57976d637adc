using System.Text.Json;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using Microsoft.Extensions.AI;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Tiny tokenizers with what the official library makes of texts.</summary>
[GoldenArea("core/tokenizers")]
public class GoldenTokenizersTests(ITestOutputHelper output) : GoldenSuite(output)
{
    private static readonly string[] kinds =
        ["added", "bert", "bpe", "chardelim", "gemma", "gpt", "llama", "qwen", "split", "t5", "unigram"];

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = kinds.ToDictionary(kind => kind, _ => (Action<GoldenCase>)CheckFolder);

    protected override IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>();

    private static void CheckFolder(GoldenCase golden)
    {
        _ = golden.PathOf("tokenizer.json");
        var tokenizer = TokenizerFiles.Load(golden.Path);
        if (File.Exists(Path.Combine(golden.Path, "tokenizer_config.json")))
            CheckConfig(golden, tokenizer);
        using var cases = golden.Inside("cases.json");
        CheckCases(cases, tokenizer);
        if (File.Exists(Path.Combine(golden.Path, "chat_cases.json")))
            CheckChats(golden, tokenizer);
    }

    /// <summary>Every text and every list of ids of a file of cases.</summary>
    internal static void CheckCases(GoldenCase golden, ModelTokenizer tokenizer)
    {
        var root = JsonNode.Parse(File.ReadAllBytes(golden.Path))!;
        foreach (var item in root["cases"]!.AsArray().Select(item => item!.AsObject()))
        {
            var text = (string)item["text"]!;
            var ids = Ids(item["ids"]!);
            var name = $"{golden.Path}: {JsonSerializer.Serialize(text)}";
            golden.Equal($"{name}, ids", ids, tokenizer.Encode(text, addSpecialTokens: true, allowSpecialTokens: true));
            var bare = item["ids_no_special"] is { } without ? Ids(without) : ids;
            golden.Equal($"{name}, ids without special tokens around", bare, tokenizer.Encode(text, allowSpecialTokens: true));
            var plain = item["ids_special_as_text"] is { } asText ? Ids(asText) : bare;
            golden.Equal($"{name}, ids of plain text", plain, tokenizer.Encode(text));
            golden.Equal($"{name}, ids of the tokenizer", plain, tokenizer.Tokenizer.EncodeToIds(text));
            golden.Equal($"{name}, tokens", plain, tokenizer.Tokenizer.EncodeToTokens(text, out _).Select(token => token.Id));
            var decoded = (string)item["decoded"]!;
            Decodes(golden, name, tokenizer, ids, decoded);
            golden.Equal($"{name}, decoded with special tokens", [(string?)item["decoded_with_special"] ?? decoded], [tokenizer.Decode(ids, keepSpecialTokens: true)]);
            Known(name, item, "text", "ids", "ids_no_special", "ids_special_as_text", "decoded", "decoded_with_special");
        }
        foreach (var item in root["decode_cases"]!.AsArray().Select(item => item!.AsObject()))
        {
            var ids = Ids(item["ids"]!);
            var (name, decoded) = ($"{golden.Path}: {item["ids"]!.ToJsonString()}", (string)item["decoded"]!);
            Decodes(golden, name, tokenizer, ids, decoded);
            golden.Equal($"{name}, decoded with special tokens", [(string?)item["decoded_with_special"] ?? decoded], [tokenizer.Decode(ids, keepSpecialTokens: true)]);
            Known(name, item, "ids", "decoded", "decoded_with_special");
        }
    }

    // Whole, and id by id as a model says them.
    private static void Decodes(GoldenCase golden, string name, ModelTokenizer tokenizer, int[] ids, string expected)
    {
        golden.Equal($"{name}, decoded", [expected], [tokenizer.Decode(ids)]);
        var stream = new TokenStream(tokenizer with { EndOfTextId = null });
        golden.Equal($"{name}, streamed", [expected], [string.Concat(ids.Select(id => stream.Add(id))) + stream.Flush()]);
    }

    private static int[] Ids(JsonNode node) => [.. node.AsArray().Select(id => (int)id!)];

    private static void Known(string name, JsonObject item, params ReadOnlySpan<string> known)
    {
        foreach (var (key, _) in item)
            Assert.True(known.Contains(key), $"{name}: the key {key} has no check.");
    }

    private static void CheckConfig(GoldenCase golden, ModelTokenizer tokenizer)
    {
        var config = JsonNode.Parse(File.ReadAllBytes(golden.PathOf("tokenizer_config.json")))!;
        foreach (var (key, id) in new[] { ("bos_token", tokenizer.BeginOfTextId), ("eos_token", tokenizer.EndOfTextId) })
            golden.Equal(key, [(string?)config[key] ?? ""], [id is { } known ? tokenizer.Decode([known], keepSpecialTokens: true) : ""]);
    }

    // The ids are those of the whole text, as long as no message spells a special token; then it must not become one.
    private static void CheckRendered(GoldenCase golden, string name, string expected, string rendered, IReadOnlyList<int>? ids, ModelTokenizer tokenizer)
    {
        golden.Equal(name, [expected], [rendered]);
        var whole = tokenizer.Encode(rendered, allowSpecialTokens: true);
        if (ids is not null && !tokenizer.SpecialTokens.Keys.Any(token => name.Contains(JsonSerializer.Serialize(token)[1..^1], StringComparison.Ordinal)))
            golden.Equal($"{name}, ids", whole, ids);
        else if (ids is not null)
            Assert.True(ids.Count(id => tokenizer.SpecialTokens.Values.Contains(id)) < whole.Count(id => tokenizer.SpecialTokens.Values.Contains(id)), $"{name}: a message became a special token.");
    }

    private static void CheckChats(GoldenCase golden, ModelTokenizer tokenizer)
    {
        var template = ChatTemplate.FromTokenizerConfig(Path.Combine(golden.Path, "tokenizer_config.json"));
        var config = JsonNode.Parse(File.ReadAllBytes(Path.Combine(golden.Path, "tokenizer_config.json")))!;
        var chats = JsonNode.Parse(File.ReadAllBytes(golden.PathOf("chat_cases.json")))!.AsArray();
        var format = new ChatTemplateFormat(template, tokenizer);
        foreach (var chat in chats.Select(chat => chat!.AsObject()))
        {
            var options = new ChatRenderOptions { AddGenerationPrompt = (bool)chat["add_generation_prompt"]!, BosToken = (string?)config["bos_token"] ?? "", EosToken = (string?)config["eos_token"] ?? "" };
            var messages = chat["messages"]!.AsArray().Select(message => new ChatMessage(new ChatRole((string)message!["role"]!), (string)message["content"]!)).ToList();
            var name = chat["messages"]!.ToJsonString();
            if (chat["error"] is { } error)
                Assert.Contains((string)error!, Assert.Throws<TemplateException>(() => template.Render(messages, options)).Message, StringComparison.Ordinal);
            else
                CheckRendered(golden, name, (string)chat["rendered"]!, template.Render(messages, options).Text, options.AddGenerationPrompt ? format.Encode(messages) : null, tokenizer);
            Known(name, chat, "messages", "add_generation_prompt", "rendered", "error");
        }
    }
}
