using System.Text;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using Microsoft.ML.Tokenizers;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>sentencepiece's files, made of the golden vocabularies.</summary>
public class SentencePieceTests
{
    [Theory]
    [InlineData("llama2-bytefallback", true)]
    [InlineData("gemma-bytefallback", false)]
    public void A_byte_pair_file_encodes_as_the_json_of_the_same_vocabulary(string name, bool addsBlank)
    {
        using var folder = new TemporaryFolder();
        var root = Root(name);
        // The format knows every way to put a piece together, so the JSON gets them all.
        var (pieces, merges) = BytePairPieces(root);
        root["model"]!["merges"] = merges;
        File.WriteAllText(folder["tokenizer.json"], root.ToJsonString());
        var json = TokenizerFiles.Load(folder.Path);
        File.Delete(folder["tokenizer.json"]);
        File.WriteAllBytes(folder["tokenizer.model"], Write(pieces, kind: 2, fallsBack: true, addsBlank, joinsBlanks: false));
        Agree(json, TokenizerFiles.Load(folder.Path), Texts(name));
    }

    [Fact]
    public void A_unigram_file_encodes_as_the_json_of_the_same_vocabulary()
    {
        using var folder = new TemporaryFolder();
        var root = Root("unigram-bytefallback");
        root["normalizer"] = JsonNode.Parse("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]}""");
        root["pre_tokenizer"] = null;
        root["post_processor"] = null;
        File.WriteAllText(folder["tokenizer.json"], root.ToJsonString());
        var json = TokenizerFiles.Load(folder.Path);
        File.Delete(folder["tokenizer.json"]);
        var pieces = root["model"]!["vocab"]!.AsArray().Select((piece, id) => ((string)piece![0]!, (float)piece[1]!, Type((string)piece[0]!, id < 3, id == 0))).ToList();
        File.WriteAllBytes(folder["tokenizer.model"], Write(pieces, kind: 1, fallsBack: true, addsBlank: true, joinsBlanks: false));
        Agree(json, TokenizerFiles.Load(folder.Path), Texts("unigram-bytefallback").Where(text => !text.Contains('<')));
    }

    [Fact]
    public void Microsofts_reader_gives_the_same_ids()
    {
        var (pieces, _) = BytePairPieces(Root("llama2-bytefallback"));
        var bytes = Write(pieces, kind: 2, fallsBack: true, addsBlank: true, joinsBlanks: false);
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["tokenizer.model"], bytes);
        var ours = TokenizerFiles.Load(folder.Path);
        var theirs = LlamaTokenizer.Create(new MemoryStream(bytes), addBeginOfSentence: false, addEndOfSentence: false);
        foreach (var text in new[] { "the water is in the house", "Hello, world!", "a  b", "caf\u00e9 \u4e2d\u6587 \ud83d\ude00", "x" })
            Assert.Equal(theirs.EncodeToIds(text), ours.Encode(text));
    }

    [Fact]
    public void What_stands_around_a_text_is_what_the_config_says()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["tokenizer.model"], Write(BytePairPieces(Root("llama2-bytefallback")).Pieces, kind: 2, fallsBack: true, addsBlank: true, joinsBlanks: true));
        var bare = TokenizerFiles.Load(folder.Path);
        Assert.Equal((1, 2), (bare.BeginOfTextId, bare.EndOfTextId));
        Assert.Equal(bare.Encode("the"), bare.Encode("the", addSpecialTokens: true));
        Assert.Equal(bare.Encode("the water"), bare.Encode("  the   water "));
        Assert.Equal("the water", bare.Decode(bare.Encode("  the   water ")));
        File.WriteAllText(folder["tokenizer_config.json"], """{"add_bos_token":true,"add_eos_token":true}""");
        var loaded = TokenizerFiles.Load(folder.Path);
        Assert.Equal([1, .. bare.Encode("the"), 2], loaded.Encode("the", addSpecialTokens: true));
        File.WriteAllText(folder["tokenizer_config.json"], """{"tokenizer_class":"LlamaTokenizer"}""");
        Assert.Equal([1, .. bare.Encode("the")], TokenizerFiles.Load(folder.Path).Encode("the", addSpecialTokens: true));
        File.WriteAllText(folder["tokenizer_config.json"], """{"tokenizer_class":"LlamaTokenizer","add_bos_token":false}""");
        Assert.Equal(bare.Encode("the"), TokenizerFiles.Load(folder.Path).Encode("the", addSpecialTokens: true));
        Assert.DoesNotContain(1, bare.Encode("<s>"));
        Assert.Equal([1], bare.Encode("<s>", allowSpecialTokens: true));
    }

    [Fact]
    public void Tokens_beside_the_file_are_obeyed()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["tokenizer.model"], Write([("<unk>", 0, 2), ("<s>", 0, 3), ("\u2581", -1, 1), ("a", -2, 1)], kind: 2, fallsBack: false, addsBlank: true, joinsBlanks: true));
        var bare = TokenizerFiles.Load(folder.Path);
        File.WriteAllText(folder["added_tokens.json"], """{"<new>":4,"<end>":5}""");
        File.WriteAllText(folder["special_tokens_map.json"], """{"eos_token":"<end>"}""");
        var tokenizer = TokenizerFiles.Load(folder.Path);
        Assert.Equal((6, 5), (tokenizer.VocabSize, tokenizer.EndOfTextId));
        Assert.Equal([2, 3, 4, 5], tokenizer.Encode("a<new><end>", allowSpecialTokens: true));
        Assert.DoesNotContain(5, tokenizer.Encode("a<end>"));
        Assert.NotEqual(bare.Fingerprint(), (tokenizer with { VocabSize = bare.VocabSize, EndOfTextId = bare.EndOfTextId }).Fingerprint());
    }

    [Fact]
    public void Damaged_files_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        var whole = Write([("<unk>", 0, 2), ("a", -1, 1)], kind: 2, fallsBack: false, addsBlank: true, joinsBlanks: true);
        var random = new Random(5);
        for (var turn = 0; turn < 300; turn++)
        {
            var bytes = turn % 2 == 0 ? whole[..random.Next(whole.Length)] : [.. whole];
            if (turn % 2 == 1)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(folder["tokenizer.model"], bytes);
            if (Record.Exception(() => TokenizerFiles.Load(folder.Path)) is { } error)
                Assert.Contains("tokenizer.model", Assert.IsType<TokenizerException>(error).Message, StringComparison.Ordinal);
        }
        foreach (var (pieces, kind, part) in new[] { (new List<(string, float, int)> { ("a", 0f, 1) }, 2, "unknown piece"), ([("<unk>", 0f, 2), ("a", 0f, 1), ("a", 0f, 1)], 2, "'a' twice"), ([("<unk>", 0f, 2)], 3, "model type is 3"), ([], 1, "no pieces") })
        {
            File.WriteAllBytes(folder["tokenizer.model"], Write(pieces, kind, false, true, true));
            Assert.Contains(part, Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message, StringComparison.Ordinal);
        }
    }

    private static void Agree(ModelTokenizer json, ModelTokenizer model, IEnumerable<string> texts)
    {
        foreach (var text in texts)
        {
            Assert.Equal(json.Encode(text, allowSpecialTokens: true), model.Encode(text, allowSpecialTokens: true));
            Assert.Equal(json.Encode(text), model.Encode(text));
            Assert.Equal(json.Decode(json.Encode(text)), model.Decode(model.Encode(text)));
        }
    }

    private static JsonNode Root(string name) => JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name, "tokenizer.json")))!;

    private static List<string> Texts(string name) =>
        [.. JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenSource.Repository.Root!, "core/tokenizers", name, "cases.json")))!["cases"]!.AsArray().Select(item => (string)item!["text"]!)];

    private static (List<(string Text, float Score, int Type)> Pieces, JsonArray Merges) BytePairPieces(JsonNode root)
    {
        var special = root["added_tokens"]!.AsArray().Select(token => (string)token!["content"]!).ToHashSet();
        var vocabulary = root["model"]!["vocab"]!.AsObject().OrderBy(entry => (int)entry.Value!).Select(entry => entry.Key).ToList();
        var ranks = new Dictionary<string, int>();
        foreach (var merge in root["model"]!["merges"]!.AsArray())
            _ = ranks.TryAdd(merge is JsonArray pair ? (string)pair[0]! + (string)pair[1]! : ((string)merge!).Replace(" ", "", StringComparison.Ordinal), ranks.Count);
        var pieces = vocabulary.Select(text => (text, ranks.TryGetValue(text, out var rank) ? -(float)rank : -1e5f, Type(text, special.Contains(text), text == "<unk>"))).ToList();
        pieces.AddRange(root["added_tokens"]!.AsArray().Where(token => (int)token!["id"]! >= vocabulary.Count).OrderBy(token => (int)token!["id"]!).Select(token => ((string)token!["content"]!, 0f, 3)));
        var known = vocabulary.ToHashSet();
        var merges = new JsonArray();
        foreach (var text in ranks.OrderBy(rank => rank.Value).Select(rank => rank.Key))
        {
            for (var cut = 1; cut < text.Length; cut++)
            {
                if (known.Contains(text[..cut]) && known.Contains(text[cut..]))
                    merges.Add(new JsonArray(text[..cut], text[cut..]));
            }
        }
        return (pieces, merges);
    }

    private static int Type(string text, bool isSpecial, bool isUnknown) => isUnknown ? 2 : isSpecial ? 3 : text.StartsWith("<0x", StringComparison.Ordinal) && text.Length == 6 ? 6 : 1;

    private static byte[] Write(List<(string Text, float Score, int Type)> pieces, int kind, bool fallsBack, bool addsBlank, bool joinsBlanks)
    {
        var file = new List<byte>();
        foreach (var (text, score, type) in pieces)
            Part(file, 1, [.. Field(1, Encoding.UTF8.GetBytes(text)), 0x15, .. BitConverter.GetBytes(score), 0x18, (byte)type]);
        Part(file, 2, [0x18, (byte)kind, 0x98, 0x02, (byte)(fallsBack ? 1 : 0)]);
        Part(file, 3, [0x18, (byte)(addsBlank ? 1 : 0), 0x20, (byte)(joinsBlanks ? 1 : 0)]);
        return [.. file];
    }

    private static void Part(List<byte> file, int field, byte[] bytes) => file.AddRange(Field(field, bytes));

    private static byte[] Field(int field, byte[] bytes)
    {
        var made = new List<byte> { (byte)((field << 3) | 2) };
        var length = bytes.Length;
        for (; length > 127; length >>= 7)
            made.Add((byte)(length | 0x80));
        made.Add((byte)length);
        return [.. made, .. bytes];
    }
}
