using System.Text.Json.Nodes;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>Files made of the golden ones with other parts: what published files have beside the sixteen kinds.</summary>
internal static class TokenizerVariants
{
    /// <summary>Name, the folder that it is made of, and the change.</summary>
    internal static IReadOnlyList<(string Name, string Base, Action<JsonObject> Change)> All => [.. Normalizers(), .. Splitters(), .. Models(), .. Others(), .. Decoders()];

    private static Action<JsonObject> Set(string key, string json) => root => root[key] = JsonNode.Parse(json);

    private static Action<JsonObject> Model(string key, string json) => root => root["model"]![key] = JsonNode.Parse(json);

    private static IEnumerable<(string, string, Action<JsonObject>)> Normalizers()
    {
        foreach (var type in new[] { "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel" })
            yield return ($"normalizer {type}", "gpt2-bytelevel", Set("normalizer", $$"""{"type":"{{type}}"}"""));
        yield return ("normalizer accents", "gpt2-bytelevel", Set("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}"""));
        yield return ("normalizer strip left", "unigram-bytefallback", Set("normalizer", """{"type":"Strip","strip_left":true,"strip_right":false}"""));
        yield return ("normalizer replace to nothing", "unigram-bytefallback", Set("normalizer", """{"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"Regex":" {2,}"},"content":"\u2581"},{"type":"Replace","pattern":{"String":"ab"},"content":""}]}"""));
        yield return ("normalizer cased BERT", "bert-wordpiece", Set("normalizer", """{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":false,"lowercase":false}"""));
        yield return ("normalizer BERT accents only", "bert-wordpiece", Set("normalizer", """{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false}"""));
    }

    private static IEnumerable<(string, string, Action<JsonObject>)> Splitters()
    {
        foreach (var behavior in new[] { "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous" })
        {
            yield return ($"split {behavior}", "split-previous", Set("pre_tokenizer", $$"""{"type":"Split","pattern":{"Regex":"\\s+|\\d"},"behavior":"{{behavior}}","invert":false}"""));
            yield return ($"split inverted {behavior}", "split-previous", Set("pre_tokenizer", $$"""{"type":"Split","pattern":{"Regex":"\\s+|\\d"},"behavior":"{{behavior}}","invert":true}"""));
            yield return ($"split at nothing {behavior}", "split-previous", Set("pre_tokenizer", $$"""{"type":"Split","pattern":{"Regex":"x*"},"behavior":"{{behavior}}","invert":false}"""));
            yield return ($"punctuation {behavior}", "split-previous", Set("pre_tokenizer", $$"""{"type":"Punctuation","behavior":"{{behavior}}"}"""));
        }
        foreach (var type in new[] { "Whitespace", "WhitespaceSplit", "UnicodeScripts", "BertPreTokenizer" })
            yield return ($"pre-tokenizer {type}", "split-previous", Set("pre_tokenizer", $$"""{"type":"{{type}}"}"""));
        yield return ("fixed length", "split-previous", Set("pre_tokenizer", """{"type":"FixedLength","length":3}"""));
        yield return ("byte level with a blank", "gpt2-bytelevel", Set("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"""));
        yield return ("byte level without a cut", "gpt2-bytelevel", Set("pre_tokenizer", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false}"""));
        yield return ("byte level in the middle", "gpt2-bytelevel", Set("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},{"type":"Punctuation","behavior":"Isolated"}]}"""));
        foreach (var scheme in new[] { "always", "first", "never" })
        {
            foreach (var splits in new[] { "true", "false" })
                yield return ($"metaspace {scheme} {splits}", "llama2-bytefallback", root => (root["normalizer"], root["pre_tokenizer"]) = (null, JsonNode.Parse($$"""{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"{{scheme}}","split":{{splits}}}""")));
        }
        foreach (var (name, expression) in Expressions.Where(pair => pair.Item1 is "small" or "large" or "letters" or "names" or "case" or "an option within"))
            yield return ($"replaced {name}", "gpt2-bytelevel", root => root["normalizer"] = new JsonObject { ["type"] = "Replace", ["pattern"] = new JsonObject { ["Regex"] = expression }, ["content"] = "#" });
        foreach (var (name, expression) in Expressions)
            yield return ($"expression {name}", "llama3-bytelevel", root => root["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = expression);
    }

    private static readonly (string, string)[] Expressions =
    [
        ("o200k", @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        ("cl100k", @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"),
        ("deepseek", @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        ("bloom", " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"),
        ("kimi", @"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        ("places", @"(?<=a)b|(?<!x)y+|\bz\b|^q|w$|\Ah|\w+?(?=\d)|(?i)k|[^\W\d_]{2,4}"),
        ("classes", @"[[:digit:]]+|[[:space:]]+|[[:punct:]]|[[:word:]]+?"),
        ("atoms", @"(?>a+)b|a{2,3}?c|(ab|a)(c|bcd)?|\h+|\R|."),
        ("numbers", @"(?m:.{3})|[\x41-\x5a]+|[\u4e00-\u9fff]+|\p{^L}{2}|\P{L}|(?x: a b )|[]a]|[a\-z]"),
        ("lazy", @"(?:ab)*?c|(?:[a-z]{1,2} ?)+|\S+?\s"),
        ("small", "[[:lower:]]"),
        ("large", @"\p{Uppercase}"),
        ("letters", "[[:alpha:]]"),
        ("names", @"\p{Punct}\O|\p{Word}\N|[[:graph:]][[:print:]]"),
        ("case", @"(?i:\p{Lu})x?|(?i:[^a-k])\w|(?i:[\p{Ll}&&[^e]])+"),
        ("an option within", @"t(?i)HE|w|[^\p{L}]+"),
        ("digits from the right", @"\d{1,3}(?=(?:\d{3})*\b)"),
    ];

    private static IEnumerable<(string, string, Action<JsonObject>)> Models()
    {
        yield return ("unknown not fused", "llama2-bytefallback", Model("fuse_unk", "false") + Model("byte_fallback", "false"));
        yield return ("unknown fused", "llama2-bytefallback", Model("byte_fallback", "false"));
        yield return ("nothing for the unknown", "llama2-bytefallback", Model("unk_token", "null") + Model("byte_fallback", "false"));
        yield return ("a byte missing", "llama2-bytefallback", root => root["model"]!["vocab"]!.AsObject().Remove("<0xC3>"));
        yield return ("whole words", "llama2-bytefallback", Model("ignore_merges", "true"));
        yield return ("short words", "bert-wordpiece", Model("max_input_chars_per_word", "3"));
        yield return ("word level", "bert-wordpiece", Model("type", "\"WordLevel\""));
        yield return ("no bytes", "unigram-bytefallback", Model("byte_fallback", "false"));
        foreach (var flag in new[] { "normalized", "lstrip", "rstrip", "single_word" })
        {
            yield return ($"added tokens {flag}", "added-flags", root =>
            {
                foreach (var token in root["added_tokens"]!.AsArray())
                    token![flag] = true;
            }
            );
        }
        yield return ("Roberta", "gpt2-bytelevel", Set("post_processor", """{"type":"RobertaProcessing","sep":["!",0],"cls":["\"",1],"trim_offsets":true,"add_prefix_space":true}"""));
        yield return ("BERT", "bert-wordpiece", Set("post_processor", """{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}"""));
    }

    private static IEnumerable<(string, string, Action<JsonObject>)> Others()
    {
        yield return ("CLIP", "gpt2-bytelevel", root =>
        {
            Spell("</w>")(root);
            root["normalizer"] = JsonNode.Parse("""{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "},{"type":"Lowercase"}]}""");
            root["pre_tokenizer"] = JsonNode.Parse("""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"},"behavior":"Removed","invert":true},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true}]}""");
        }
        );
        yield return ("bytes in words without marks", "gpt2-bytelevel", Model("continuing_subword_prefix", "\"##\"") + Model("merges", "[]"));
        yield return ("an unknown token that no text needs", "gpt2-bytelevel", Model("unk_token", "\"\""));
        yield return ("merges of a file", "gpt2-bytelevel", root => root["model"]!["merges"] = new JsonArray([JsonValue.Create("#version: 0.2"), .. root["model"]!["merges"]!.AsArray().Select(merge => merge is JsonArray pair ? JsonValue.Create($"{pair[0]} {pair[1]}") : merge!.DeepClone())]));
        yield return ("added tokens of blanks", "split-previous", root =>
        {
            foreach (var text in new[] { "  ", "\n", "\n\n", "\t" })
                root["added_tokens"]!.AsArray().Add(Token(text, root, strips: true));
        }
        );
        yield return ("an added token of two kinds", "split-previous", root =>
        {
            root["added_tokens"]!.AsArray().Add(Token("e", root, strips: false));
            root["added_tokens"]!.AsArray().Add(Token("e", root, strips: true, root["added_tokens"]!.AsArray()[^1]!["id"]!.GetValue<int>()));
            root["added_tokens"]!.AsArray().Add(Token("", root, strips: false));
        }
        );
        yield return ("processors in a row", "bert-wordpiece", root => root["post_processor"] = new JsonObject
        {
            ["type"] = "Sequence",
            ["processors"] = new JsonArray(root["post_processor"]!.DeepClone() is var template ? Pieces(template) : null, JsonNode.Parse("""{"type":"BertProcessing","sep":["b",1],"cls":["a",2]}"""), JsonNode.Parse("""{"type":"RobertaProcessing","sep":["b",3],"cls":["a",4],"trim_offsets":true,"add_prefix_space":true}"""), template.DeepClone()),
        });
        yield return ("a length that is not said", "split-previous", Set("pre_tokenizer", """{"type":"FixedLength"}"""));
    }

    private static JsonObject Token(string text, JsonObject root, bool strips, int? id = null) => new()
    {
        ["id"] = id ?? (int?)root["model"]!["vocab"]![text] ?? root["model"]!["vocab"]!.AsObject().Count + root["added_tokens"]!.AsArray().Count(token => (int)token!["id"]! >= root["model"]!["vocab"]!.AsObject().Count),
        ["content"] = text,
        ["single_word"] = false,
        ["lstrip"] = strips,
        ["rstrip"] = strips,
        ["normalized"] = false,
        ["special"] = false,
    };

    // One part before the text, so that the next processors get two.
    private static JsonNode Pieces(JsonNode template)
    {
        var made = template.DeepClone();
        made["single"]!.AsArray().RemoveAt(2);
        return made;
    }

    // Entries that end words, as CLIP has them.
    private static Action<JsonObject> Spell(string suffix) => root =>
    {
        var vocabulary = root["model"]!["vocab"]!.AsObject();
        foreach (var entry in vocabulary.Select(pair => pair.Key).ToList())
            vocabulary[entry + suffix] = vocabulary.Count;
        root["model"]!["end_of_word_suffix"] = suffix;
    };

    private static IEnumerable<(string, string, Action<JsonObject>)> Decoders()
    {
        (string, string)[] decoders =
        [
            ("none", "null"),
            ("of no steps", """{"type":"Sequence","decoders":[]}"""),
            ("Fuse", """{"type":"Fuse"}"""),
            ("ByteLevel", """{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"""),
            ("WordPiece", """{"type":"WordPiece","prefix":"##","cleanup":true}"""),
            ("BPEDecoder", """{"type":"BPEDecoder","suffix":"e"}"""),
            ("CTC", """{"type":"CTC","pad_token":"a","word_delimiter_token":"e","cleanup":true}"""),
            ("Strip", """{"type":"Strip","content":"e","start":2,"stop":0}"""),
            ("Replace", """{"type":"Replace","pattern":{"Regex":"[aeiou]"},"content":"*"}"""),
            ("joined", """{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Replace","pattern":{"Regex":"l+"},"content":"L"},{"type":"WordPiece","prefix":"##","cleanup":true}]}"""),
        ];
        foreach (var (name, json) in decoders)
            yield return ($"decoder {name}", "llama2-bytefallback", Set("decoder", json));
    }
}
