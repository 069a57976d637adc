using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>Folders without a tokenizer.json: what stands beside a vocabulary is obeyed or refused.</summary>
public sealed class PublishedVocabularyTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("gpt2-bytelevel", "GPT2Tokenizer")]
    [InlineData("qwen2-bytelevel", "Qwen2Tokenizer")]
    public void Vocabulary_and_merges_give_the_ids_of_the_whole_file(string name, string kind)
    {
        Write(name);
        var json = TokenizerFiles.Load(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name));
        var added = new JsonObject(Root(name)["added_tokens"]!.AsArray().Select(token => KeyValuePair.Create($"{token!["id"]}", (JsonNode?)token.DeepClone())));
        Config(new JsonObject { ["tokenizer_class"] = kind, ["added_tokens_decoder"] = added, ["eos_token"] = "<|endoftext|>" });
        var tokenizer = TokenizerFiles.Load(folder.Path);
        Assert.Equal((json.VocabSize, json.SpecialTokens["<|endoftext|>"]), (tokenizer.VocabSize, tokenizer.EndOfTextId));
        foreach (var text in JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name, "cases.json")))!["cases"]!.AsArray().Select(item => (string)item!["text"]!))
        {
            Assert.Equal(json.Encode(text, allowSpecialTokens: true), tokenizer.Encode(text, allowSpecialTokens: true));
            Assert.Equal(json.Encode(text), tokenizer.Encode(text));
            Assert.Equal(json.Decode(json.Encode(text)), tokenizer.Decode(tokenizer.Encode(text)));
        }
    }

    [Fact]
    public void What_the_config_says_of_a_vocabulary_is_obeyed()
    {
        Write("gpt2-bytelevel");
        var plain = TokenizerFiles.Load(folder.Path);
        File.WriteAllText(folder["added_tokens.json"], """{"<|im_end|>":587,"<x>":588}""");
        Config(new JsonObject { ["bos_token"] = "<|endoftext|>", ["eos_token"] = "<|im_end|>", ["add_bos_token"] = true, ["add_prefix_space"] = true });
        var tokenizer = TokenizerFiles.Load(folder.Path);
        Assert.Equal((589, 586, 587), (tokenizer.VocabSize, tokenizer.BeginOfTextId, tokenizer.EndOfTextId));
        Assert.Equal([586, .. plain.Encode(" hi"), 588, 587], tokenizer.Encode("hi<x><|im_end|>", addSpecialTokens: true, allowSpecialTokens: true));
        Assert.DoesNotContain(587, tokenizer.Encode("hi<|im_end|>"));
        Assert.NotEqual(plain.Fingerprint(), tokenizer.Fingerprint());
    }

    [Theory]
    [InlineData("""{"tokenizer_class":"CLIPTokenizer"}""", "tokenizer_config.json", "CLIPTokenizer", "tokenizer.json")]
    [InlineData("""{"pad_token":"<pad>"}""", "tokenizer_config.json", "pad_token", "<pad>", "added_tokens.json")]
    [InlineData("""{"additional_special_tokens":["<y>"]}""", "additional_special_tokens[0]", "<y>")]
    [InlineData("""{"added_tokens_decoder":{"3":{"content":"<y>"}}}""", "added_tokens_decoder.3", "<y>", "id 3")]
    [InlineData("""{"added_tokens_decoder":{"x":{"content":"<y>"}}}""", "added_tokens_decoder.x", "id")]
    [InlineData("""{"add_bos_token":true}""", "add_bos_token", "bos_token")]
    [InlineData("""{"added_tokens_decoder":{"99999999":{"content":"<y>"}}}""", "added_tokens_decoder", "99999999")]
    public void What_cannot_be_obeyed_is_refused(string config, params string[] parts)
    {
        Write("gpt2-bytelevel");
        File.WriteAllText(folder["tokenizer_config.json"], config);
        var error = Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message;
        Assert.All(parts, part => Assert.Contains(part, error, StringComparison.Ordinal));
    }

    private void Write(string name)
    {
        var model = Root(name)["model"]!;
        File.WriteAllText(folder["vocab.json"], model["vocab"]!.ToJsonString());
        File.WriteAllText(folder["merges.txt"], "#version: 0.2\n" + string.Concat(model["merges"]!.AsArray().Select(merge => (merge is JsonArray pair ? $"{pair[0]} {pair[1]}" : (string)merge!) + "\n")));
    }

    private void Config(JsonObject config) => File.WriteAllText(folder["tokenizer_config.json"], config.ToJsonString());

    private static JsonNode Root(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name, "tokenizer.json")))!;
}
