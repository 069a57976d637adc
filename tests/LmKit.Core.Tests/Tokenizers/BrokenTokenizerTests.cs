using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>Files that are no tokenizers: one error that names the file, the key and what is wrong.</summary>
public class BrokenTokenizerTests
{
    [Theory]
    [InlineData("normalizer", """{"type":"Upper"}""", "normalizer", "Upper", "NFC")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"Cutter"}]}""", "pre_tokenizer.pretokenizers[0]", "Cutter", "Metaspace")]
    [InlineData("post_processor", """{"type":"Wrapper"}""", "post_processor", "Wrapper", "TemplateProcessing")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]","type_id":0}}],"special_tokens":{}}""", "post_processor.special_tokens", "[X]")]
    [InlineData("post_processor", """{"type":"BertProcessing","sep":["[SEP]",99999],"cls":["[CLS]",0]}""", "post_processor", "99999")]
    [InlineData("decoder", """{"type":"Reader"}""", "decoder", "Reader", "ByteFallback")]
    [InlineData("model", """{"type":"Neural","vocab":{}}""", "model", "Neural", "Unigram")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"b":1},"merges":[["a","b"]]}""", "model.merges", "'ab'")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"ab":1},"merges":["a b"]}""", "model.merges", "'b'")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0},"merges":["a"]}""", "model.merges", "'a'")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}""", "model.merges", "no pair")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0},"merges":[],"dropout":0.1}""", "model.dropout", "random")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"?"}""", "model.unk_token", "'?'")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":0,"b":0},"merges":[]}""", "model.vocab", "'b'", "id 0")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":-1},"merges":[]}""", "model.vocab", "-1")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":2000000000},"merges":[]}""", "model.vocab", "2000000000")]
    [InlineData("model", """{"type":"BPE","vocab":{"a":"x"},"merges":[]}""", "model.vocab", "'a'")]
    [InlineData("model", """{"type":"BPE","merges":[]}""", "model.vocab")]
    [InlineData("model", """{"type":"Unigram","vocab":[["a",0]],"unk_id":7}""", "model.unk_id", "7")]
    [InlineData("model", """{"type":"Unigram","vocab":[]}""", "model.vocab")]
    [InlineData("model", """{"type":"Unigram","vocab":[["a"]]}""", "model.vocab")]
    [InlineData("model", "null", "model", "missing")]
    [InlineData("added_tokens", """[{"id":0,"content":"!!"}]""", "added_tokens[0].id", "'!!'")]
    [InlineData("added_tokens", """[{"id":900,"content":"<x>"},{"id":900,"content":"<y>"}]""", "added_tokens[1].id", "'<y>'", "900")]
    [InlineData("added_tokens", """[{"id":-3,"content":"x"}]""", "added_tokens[0].id", "-3")]
    [InlineData("added_tokens", """[{"content":"x"}]""", "added_tokens[0].id", "missing")]
    [InlineData("added_tokens", """[{"id":900,"content":"x","special":"yes"}]""", "added_tokens[0].special", "true or false")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"AAAAAAAA"}""", "precompiled_charsmap", "broken")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"?"}""", "precompiled_charsmap", "broken")]
    [InlineData("normalizer", """{"type":"Precompiled","precompiled_charsmap":"/////wAA"}""", "precompiled_charsmap", "broken")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(a"},"content":""}""", "normalizer.pattern", "(a")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"(a)\\1"},"content":""}""", "normalizer.pattern", "\\1", "not supported")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"\\p{Klingon}"},"content":""}""", "normalizer.pattern", "Klingon")]
    [InlineData("normalizer", """{"type":"Replace","pattern":{"Regex":"((a{900}){900}){900}"},"content":""}""", "normalizer.pattern", "too long")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"String":"x"},"behavior":"Sometimes"}""", "pre_tokenizer.behavior", "Sometimes", "Isolated")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"ab"}""", "pre_tokenizer.replacement")]
    [InlineData("pre_tokenizer", """{"type":"Metaspace","replacement":"_","prepend_scheme":"first","add_prefix_space":false}""", "pre_tokenizer.add_prefix_space", "first")]
    [InlineData("version", "\"2.0\"", "version", "2.0", "1.0")]
    [InlineData("pre_tokenizer", """{"type":"FixedLength","length":0}""", "pre_tokenizer.length")]
    [InlineData("pre_tokenizer", """{"type":"Digits","type":"Digits"}""", "pre_tokenizer.type", "twice")]
    public void A_fault_is_named(string key, string json, params string[] parts)
    {
        var text = File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers/gpt2-bytelevel/tokenizer.json"));
        var root = JsonNode.Parse(text)!.AsObject();
        _ = root.Remove(key);
        var error = Refused(root.ToJsonString()[..^1] + $",\"{key}\":{json}}}");
        Assert.All(parts.Append("tokenizer.json"), part => Assert.Contains(part, error, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\\ud800\":0},\"merges\":[]}}")]
    public void What_is_no_tokenizer_is_refused(string text) => Assert.Contains("tokenizer.json", Refused(text), StringComparison.Ordinal);

    [Fact]
    public void A_deep_file_is_refused() =>
        Assert.Contains("JSON", Refused($"{{\"normalizer\":{string.Concat(Enumerable.Repeat("{\"type\":\"Sequence\",\"normalizers\":[", 100_000))}"), StringComparison.Ordinal);

    [Fact]
    public void An_expression_that_tries_without_end_is_stopped_and_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], """{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a+)+$|b"},"behavior":"Isolated"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""");
        var tokenizer = TokenizerFiles.Load(folder.Path);
        Assert.Equal([0, 0, 0], tokenizer.Encode("aaa"));
        var error = Assert.Throws<TokenizerException>(() => tokenizer.Encode(new string('a', 60) + "!"));
        Assert.Contains("(a+)+$|b", error.Message, StringComparison.Ordinal);
        Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> Folders => [.. GoldenSource.Repository.Cases("core/tokenizers")];

    private const string Signs = "0123456789{}[]\",:truefalsn\\";

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_damaged_file_is_read_or_refused_by_name(string name)
    {
        using var folder = new TemporaryFolder();
        var whole = File.ReadAllBytes(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name, "tokenizer.json"));
        var random = new Random(7);
        for (var turn = 0; turn < 150; turn++)
        {
            byte[] bytes = turn % 10 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            for (var change = random.Next(1, 4); change > 0; change--)
                bytes[random.Next(bytes.Length)] = (byte)(turn % 3 == 0 ? random.Next(256) : Signs[random.Next(Signs.Length)]);
            File.WriteAllBytes(folder["tokenizer.json"], bytes);
            try
            {
                var tokenizer = TokenizerFiles.Load(folder.Path);
                _ = tokenizer.Decode(tokenizer.Encode("the <s> caf\u00e9 \ud83d\ude00 12", true, true));
            }
            catch (TokenizerException error)
            {
                Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
            }
        }
    }

    private static string Refused(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], json);
        return Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message;
    }
}
