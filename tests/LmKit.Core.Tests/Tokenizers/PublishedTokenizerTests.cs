using System.Buffers;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using Microsoft.Extensions.AI;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>What an app relies on in tokenizers of published files.</summary>
public class PublishedTokenizerTests
{
    private const string Template = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}</s>{% endfor %}";

    public static TheoryData<string> Folders => [.. GoldenSource.Repository.Cases("core/tokenizers")];

    [Theory]
    [MemberData(nameof(Folders))]
    public void What_a_user_writes_never_becomes_a_special_token(string name)
    {
        var tokenizer = Load(name);
        var special = tokenizer.SpecialTokens.Keys.ToList();
        var format = new ChatTemplateFormat(ChatTemplate.Parse("{% for message in messages %}{{ message['content'] }}{% endfor %}"), tokenizer, stopTokens: []);
        foreach (var text in special.Concat(special.Select(token => $"a {token}b")).Append(string.Concat(special)))
            Assert.DoesNotContain(format.Encode([new ChatMessage(ChatRole.User, text)]), id => tokenizer.SpecialTokens.Any(token => token.Value == id && !token.Key.Contains("unk", StringComparison.OrdinalIgnoreCase))); // which stands for any text
    }

    [Fact]
    public void A_templates_own_special_tokens_are_special()
    {
        var tokenizer = Load("unigram-bytefallback");
        var format = new ChatTemplateFormat(ChatTemplate.Parse(Template), tokenizer);
        var end = tokenizer.EndOfTextId!.Value;
        Assert.Single(format.Encode([new ChatMessage(ChatRole.User, "</s> hi <s>")]), id => id == end);
        Assert.Equal([(long)end], format.StopTokens);
    }

    [Fact]
    public void Nothing_is_looked_for_within_a_special_token_that_is_plain_text()
    {
        using var folder = new TemporaryFolder();
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers/qwen2-bytelevel/tokenizer.json")))!;
        json["added_tokens"]!.AsArray().Add(new JsonObject { ["id"] = 561, ["content"] = "im", ["normalized"] = false });
        File.WriteAllText(folder["tokenizer.json"], json.ToJsonString());
        var tokenizer = TokenizerFiles.Load(folder.Path);
        Assert.Single(tokenizer.Encode("<|im_start|> im"), id => id == 561);
        Assert.Equal(2, tokenizer.Encode("<|im_starts|> im").Count(id => id == 561));
    }

    [Fact]
    public void Where_dotnet_has_no_normal_forms_a_tokenizer_that_needs_them_is_refused() => OwnProcess.Check(GoInvariant);

    private static void GoInvariant(string[] arguments)
    {
        Environment.SetEnvironmentVariable("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
        OwnProcess.Check(LoadWithoutForms);
    }

    private static void LoadWithoutForms(string[] arguments)
    {
        foreach (var name in new[] { "qwen2-bytelevel", "bert-wordpiece", "unigram-bytefallback" })
            Assert.Contains("InvariantGlobalization", Assert.Throws<TokenizerException>(() => Load(name)).Message, StringComparison.Ordinal);
        _ = Load("gpt2-bytelevel");
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Text_comes_back_piece_by_piece_through_the_span(string name)
    {
        var tokenizer = Load(name).Tokenizer;
        var ids = tokenizer.EncodeToIds("a \u00e9\ud83d\ude00 the");
        var whole = tokenizer.Decode(ids);
        Span<char> buffer = new char[100];
        Assert.Equal(OperationStatus.Done, tokenizer.Decode(ids, buffer, out var used, out var written));
        Assert.Equal((ids.Count, whole), (used, buffer[..written].ToString()));
        Assert.Equal(whole.Length == 0 ? OperationStatus.Done : OperationStatus.DestinationTooSmall, tokenizer.Decode(ids, [], out _, out _));
    }

    [Fact]
    public void An_unfinished_character_is_held_back()
    {
        foreach (var name in new[] { "gpt2-bytelevel", "llama2-bytefallback" })
        {
            var tokenizer = Load(name).Tokenizer;
            var ids = tokenizer.EncodeToIds("\ud83d\udef8"); // of four bytes, none of which is merged
            Assert.Equal(OperationStatus.NeedMoreData, tokenizer.Decode(ids.SkipLast(1), new char[10], out var used, out var written));
            Assert.True(used <= 1 && written == 0, $"{name}: {used} ids gave {written} characters.");
            var stream = new TokenStream(new ModelTokenizer(tokenizer, 10_000));
            Assert.Equal("", string.Concat(ids.SkipLast(1).Select(id => stream.Add(id).Trim())));
            Assert.Equal("\ud83d\udef8", (stream.Add(ids[^1]) + stream.Flush()).Trim());
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Tokens_have_their_places_and_limits_hold(string name)
    {
        var tokenizer = Load(name).Tokenizer;
        const string Text = "the Caf\u00e9 \ud83d\ude00, 12 ab";
        var tokens = tokenizer.EncodeToTokens(Text, out var normalized);
        var seen = normalized ?? Text;
        Assert.True(tokens.Count > 3 && tokens[^1].Offset.End.Value <= seen.Length, $"{tokens.Count} tokens end at {tokens[^1].Offset.End}.");
        for (var index = 1; index < tokens.Count; index++)
            Assert.True(tokens[index].Offset.Start.Value >= tokens[index - 1].Offset.Start.Value, $"Token {index} stands before the one before it.");
        Assert.Equal(tokens.Count, tokenizer.CountTokens(Text));
        Assert.Equal(tokens.Take(2).Select(token => token.Id), tokenizer.EncodeToIds(Text, 2, out _, out var consumed));
        Assert.Equal(tokens[1].Offset.End.Value, consumed);
        Assert.Equal(tokens[1].Offset.End.Value, tokenizer.GetIndexByTokenCount(Text, 2, out _, out var count));
        Assert.Equal(2, count);
        Assert.Equal(tokens[^2].Offset.Start.Value, tokenizer.GetIndexByTokenCountFromEnd(Text, 2, out _, out _));
    }

    [Fact]
    public void Many_threads_get_the_same_ids()
    {
        var tokenizer = Load("llama3-bytelevel");
        var texts = Enumerable.Range(0, 200).Select(index => $"the {index} caf\u00e9 {new string('a', index)}").ToArray();
        var alone = Array.ConvertAll(texts, text => tokenizer.Encode(text));
        Parallel.For(0, 2000, index => Assert.Equal(alone[index % 200], tokenizer.Encode(texts[index % 200])));
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Half_a_pair_is_a_replacement_character(string name) => Assert.Equal(Load(name).Encode("a\ufffdb \ufffd"), Load(name).Encode("a\ud800b \udc00"));

    [Fact]
    public void Files_that_differ_have_other_fingerprints()
    {
        using var folder = new TemporaryFolder();
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers/gpt2-bytelevel/tokenizer.json")))!;
        json["normalizer"] = JsonNode.Parse("""{"type":"Lowercase"}""");
        File.WriteAllText(folder["tokenizer.json"], json.ToJsonString());
        Assert.NotEqual(Load("gpt2-bytelevel").Fingerprint(), (TokenizerFiles.Load(folder.Path) with { EndOfTextId = Load("gpt2-bytelevel").EndOfTextId }).Fingerprint());
        Assert.Equal(Load("gpt2-bytelevel").Fingerprint(), Load("gpt2-bytelevel").Fingerprint());
    }

    [Fact]
    public void Beginning_and_end_are_what_the_config_says_and_else_the_map()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers/llama2-bytefallback/tokenizer.json"), folder["tokenizer.json"]);
        Assert.Equal((null, null), Ends());
        File.WriteAllText(folder["special_tokens_map.json"], """{"bos_token":"<s>","eos_token":{"content":"</s>","lstrip":false}}""");
        Assert.Equal((1, 2), Ends());
        File.WriteAllText(folder["tokenizer_config.json"], """{"eos_token":"<unk>"}""");
        Assert.Equal((1, 0), Ends());
        File.WriteAllText(folder["tokenizer_config.json"], """{"eos_token":"<end>"}""");
        var error = Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message;
        Assert.All(["tokenizer_config.json", "eos_token", "<end>"], part => Assert.Contains(part, error, StringComparison.Ordinal));

        (int?, int?) Ends() => TokenizerFiles.Load(folder.Path) is var loaded ? (loaded.BeginOfTextId, loaded.EndOfTextId) : default;
    }

    private static ModelTokenizer Load(string name) => TokenizerFiles.Load(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name));
}
