using System.Text;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>Texts that make a careless reader slow or wrong.</summary>
public class HardTextTests
{
    [Theory]
    [InlineData("NFC", NormalizationForm.FormC)]
    [InlineData("NFD", NormalizationForm.FormD)]
    [InlineData("NFKC", NormalizationForm.FormKC)]
    [InlineData("NFKD", NormalizationForm.FormKD)]
    public void A_long_row_of_marks_is_ordered_as_the_system_orders_a_short_one(string name, NormalizationForm form)
    {
        var random = new Random(3);
        string[] marks = ["\u0301", "\u0300", "\u0323", "\u0315", "\u05ae", "\u0345", "\u0334", "\u0327", "\u0344", "\u0f71", "\u0f72", "\u034f", "\u0903", "\U0001d165", "\u3099"];
        var tokenizer = Make($$"""{"type":"{{name}}"}""");
        for (var turn = 0; turn < 20; turn++)
        {
            var row = "e" + string.Concat(Enumerable.Range(0, 700).Select(_ => marks[random.Next(marks.Length)])) + "x";
            Assert.Equal(row.Normalize(form), tokenizer.Decode(tokenizer.Encode(row)));
        }
    }

    [Theory]
    [InlineData("NFC")]
    [InlineData("NFKD")]
    public void A_million_marks_out_of_order_are_encoded(string name)
    {
        var tokenizer = Make($$"""{"type":"{{name}}"}""");
        var ids = tokenizer.Encode("x" + string.Concat(Enumerable.Repeat("\u0315\u0300\u05ae\u0301", 250_000)));
        Assert.StartsWith("x\u05ae\u05ae", tokenizer.Decode(ids.Take(5)), StringComparison.Ordinal); // of a lower class than the others
    }

    [Fact]
    public void Letters_of_late_versions_have_cases_whatever_the_system_knows()
    {
        var tokenizer = Make("""{"type":"Replace","pattern":{"Regex":"(?i:\u1c89|\ua7cb|\ud803\udd50)"},"content":"!"}""");
        Assert.Equal("!!!!!!", tokenizer.Decode(tokenizer.Encode("\u1c89\u1c8a\ua7cb\u0264\ud803\udd50\ud803\udd70")));
    }

    [Fact]
    public void An_id_far_from_the_others_takes_no_memory_of_its_own()
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var tokenizer = Load("""{"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":16000000}}}""");
        Assert.Equal([16_000_000], tokenizer.Encode("b"));
        Assert.Equal("b", tokenizer.Decode([16_000_000]));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
    }

    [Fact]
    public void A_text_without_tokens_is_refused_with_the_file()
    {
        var tokenizer = Load("""{"model":{"type":"WordLevel","unk_token":"?","vocab":{"a":0}}}""");
        var error = Assert.Throws<TokenizerException>(() => tokenizer.Encode("b"));
        Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
        Assert.Contains("'b'", error.Message, StringComparison.Ordinal);
        Assert.Equal(error.Message, Assert.Throws<TokenizerException>(() => tokenizer.Tokenizer.EncodeToTokens("b", out _)).Message);
    }

    [Theory]
    [InlineData("""{"String":"a"}""", "aa", 60)]
    [InlineData("""{"Regex":"a"}""", "aa", 60)]
    [InlineData("""{"Regex":"x*"}""", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 60)]
    public void Steps_that_feed_each_other_are_stopped(string pattern, string content, int times)
    {
        var step = $$$"""{"type":"Replace","pattern":{{{pattern}}},"content":"{{{content}}}"}""";
        var steps = string.Join(',', Enumerable.Repeat(step, times));
        var normalizing = Make($$$"""{"type":"Sequence","normalizers":[{{{steps}}}]}""");
        Assert.Contains("normalizer", Assert.Throws<TokenizerException>(() => normalizing.Encode("a")).Message, StringComparison.Ordinal);
        var decoding = Load($$$$"""{"decoder":{"type":"Sequence","decoders":[{{{{steps}}}}]},"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}}}""");
        Assert.Contains("decoder", Assert.Throws<TokenizerException>(() => decoding.Decode([0])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_replacement_in_a_long_text_is_stopped()
    {
        var tokenizer = Make($$"""{"type":"Replace","pattern":{"String":"a"},"content":"{{new string('b', 100_000)}}"}""");
        Assert.Contains("too long", Assert.Throws<TokenizerException>(() => tokenizer.Encode(new string('a', 1_000_000))).Message, StringComparison.Ordinal);
    }

    // Bytes as tokens, so that decoding gives the normalized text back.
    private static ModelTokenizer Make(string normalizer) => Load(
        $$$"""{"normalizer":{{{normalizer}}},"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]},"model":{"type":"BPE","byte_fallback":true,"vocab":{{{Bytes}}},"merges":[]}}""");

    private static string Bytes => "{" + string.Join(',', Enumerable.Range(0, 256).Select(value => $"\"<0x{value:X2}>\":{value}")) + "}";

    private static ModelTokenizer Load(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], json);
        return TokenizerFiles.Load(folder.Path);
    }
}
