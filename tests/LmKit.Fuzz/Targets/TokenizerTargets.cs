using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.AI;

namespace LmKit.Fuzz;

/// <summary>Readers of published tokenizers and their chat templates: every kind of <c>tokenizer.json</c>, and sentencepiece's files.</summary>
internal static class TokenizerTargets
{
    private const string JsonFile = "tokenizer.json";
    private const string ConfigFile = "tokenizer_config.json";
    private const string TemplateFile = "chat_template.jinja";

    private static readonly string[] folders =
    [
        "added-flags", "added-flags-fuse", "bert-wordpiece", "bpe-suffix", "chardelim-unicodescripts", "gemma-bytefallback", "gpt2-bytelevel", "llama2-bytefallback", "llama3-bytelevel", "qwen2-bytelevel",
        "split-contiguous", "split-next-punct", "split-previous", "split-removed-invert", "t5-unigram", "unigram-bytefallback",
    ];

    // Short ones with all there is, and rows in which a step that looks back or ahead too often shows.
    private static readonly string[] texts =
    [
        "The river's mill, caf\u00e9 12 345 <s> </s> [CLS]\n\n\tna\u00efve \u4e2d\u6587 \ud83d\udc4d <0x41> \u2581x",
        new('a', 3_000), new(' ', 3_000), new string(' ', 3_000) + "x", new('\u0301', 3_000), new('\uffff', 2_000), new('1', 2_000), string.Concat(Enumerable.Repeat("\u0315\u0300\u05ae", 1_000)),
    ];

    private static readonly ChatMessage[] chat = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Why?<|im_end|> \u00e9"), new(ChatRole.Assistant, "So. </s>"), new(ChatRole.User, "And when?")];

    internal static IEnumerable<FuzzTarget> All =>
    [
        new("published-tokenizer", _ => { }, Read) { OwnSeeds = [.. folders.Select(Folder), Folder("llama3-bytelevel").With([KeyValuePair.Create(TemplateFile, Encoding.UTF8.GetBytes(ChatTemplate.Named("llama-3").Source))]) with { Seed = "jinja" }, Pieces(1), Pieces(2)] },
    ];

    private static CaseFiles Folder(string name)
    {
        var all = CaseFiles.Of(name, Golden.Path($"core/tokenizers/{name}"));
        return all with { Files = all.Files.Where(file => file.Key is JsonFile or ConfigFile).ToDictionary(StringComparer.Ordinal) };
    }

    private static string Read(string folder, string seed)
    {
        var tokenizer = TokenizerFiles.Load(folder);
        var said = new Digest().Add("ids", $"{tokenizer.VocabSize} {tokenizer.BeginOfTextId} {tokenizer.EndOfTextId} {tokenizer.SpecialTokens.Count}");
        foreach (var text in texts)
            _ = said.Add("text", Told(() => string.Join(',', tokenizer.Encode(text, addSpecialTokens: true, allowSpecialTokens: true)) + tokenizer.Decode(tokenizer.Encode(text), keepSpecialTokens: true)));
        return said.Add("chat", Chat(folder, tokenizer)).ToString();
    }

    // A file may be right and yet have no tokens for a text; it must be named then too.
    private static string Told(Func<string> tell)
    {
        try
        {
            return tell();
        }
        catch (TokenizerException error)
        {
            return error.Message.Contains("tokenizer.", StringComparison.Ordinal) ? "refused" : throw new UnreachableException("The refusal of a text names no file.", error);
        }
    }

    private static string Chat(string folder, ModelTokenizer tokenizer)
    {
        try
        {
            var format = ChatTemplateFormat.Load(folder, tokenizer);
            return Told(() => string.Join(',', format.Encode(chat)));
        }
        catch (Exception error) when (error is TemplateException or ArgumentException { InnerException: TemplateException })
        {
            return "no chat"; // many tokenizers have no template, and some take no system message
        }
    }

    // sentencepiece_model.proto: pieces of a text, a score and a type; the trainer's kind; the normalizer's settings.
    private static CaseFiles Pieces(byte kind)
    {
        var file = new List<byte>();
        string[] words = ["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>"), "\u2581", "\u2581the", "\u2581mill", .. "themilrvcaf".Distinct().Select(letter => letter.ToString()), "th", "the", "mi", "ll", "mill"];
        foreach (var (id, word) in words.Index())
            _ = Field(file, 1, [.. Field([], 1, Encoding.UTF8.GetBytes(word)), 0x15, .. BitConverter.GetBytes(-(float)id), 0x18, (byte)(id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)]);
        _ = Field(file, 2, [0x18, kind, 0x98, 0x02, 1]);
        _ = Field(file, 3, [0x18, 1, 0x20, 1]);
        return new CaseFiles($"sentencepiece-{kind}", new Dictionary<string, byte[]> { ["tokenizer.model"] = [.. file], [ConfigFile] = """{"add_bos_token":true,"add_eos_token":false,"bos_token":"<s>"}"""u8.ToArray() });
    }

    private static List<byte> Field(List<byte> file, int field, byte[] bytes)
    {
        file.Add((byte)((field << 3) | 2));
        for (var length = bytes.Length; ; length >>= 7)
        {
            file.Add((byte)(length > 127 ? length | 0x80 : length));
            if (length <= 127)
                break;
        }
        file.AddRange(bytes);
        return file;
    }
}
