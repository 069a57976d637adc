using System.Text;
using System.Text.Json;

namespace LmKit;

/// <content>Normalizers, pre-tokenizers and decoders.</content>
internal static partial class TokenizerJson
{
    private static TextNormalizer Normalizer(TokenizerNode node)
    {
        switch (node.Type)
        {
            case "Sequence":
                return new NormalizerSequence([.. node.List("normalizers").Select(Normalizer)]);
            case "NFC":
                return new FormNormalizer(NormalizationForm.FormC);
            case "NFD":
                return new FormNormalizer(NormalizationForm.FormD);
            case "NFKC":
                return new FormNormalizer(NormalizationForm.FormKC);
            case "NFKD":
                return new FormNormalizer(NormalizationForm.FormKD);
            case "Lowercase":
                return new LowercaseNormalizer();
            case "Strip":
                return new StripNormalizer(node.Flag("strip_left", false), node.Flag("strip_right", false));
            case "StripAccents":
                return new AccentNormalizer();
            case "Replace":
                return new ReplaceNormalizer(Matcher(node), node.Text("content"));
            case "Prepend":
                return new PrependNormalizer(node.Text("prepend"));
            case "BertNormalizer":
                var lowers = node.Flag("lowercase", true);
                return new BertNormalizer(node.Flag("clean_text", true), node.Flag("handle_chinese_chars", true), node.Flag("strip_accents", lowers), lowers);
            case "Nmt":
                return new NmtNormalizer();
            case "Precompiled":
                var map = node["precompiled_charsmap"];
                return map.Element.ValueKind == JsonValueKind.String && map.Element.TryGetBytesFromBase64(out var blob) ? new PrecompiledNormalizer(blob) : throw map.Fault("is broken: it must be a map in base 64.");
            case "ByteLevel":
                return new ByteLevelNormalizer();
            default:
                throw node.Unknown("normalizer", "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Replace", "Prepend", "BertNormalizer", "Nmt", "Precompiled", "ByteLevel");
        }
    }

    private static TextMatcher Matcher(TokenizerNode node)
    {
        var pattern = node["pattern"];
        if (pattern.Element.ValueKind == JsonValueKind.String)
            return TextMatcher.OfText(pattern.AsText()); // an older form
        if (pattern.TextOr("String") is { } text)
            return TextMatcher.OfText(text);
        try
        {
            return TextMatcher.OfPattern(pattern.TextOr("Regex") ?? throw pattern.Fault("must have a String or a Regex."));
        }
        catch (FormatException failure)
        {
            throw pattern.Fault($"cannot be obeyed: {failure.Message}.", failure);
        }
    }

    private static List<TextSplitter> Splitters(TokenizerNode node)
    {
        switch (node.Type)
        {
            case "Sequence":
                return [.. node.List("pretokenizers").SelectMany(Splitters)];
            case "ByteLevel":
                var blank = node.Flag("add_prefix_space", true) ? new TextSplitter[] { new BlankSplitter() } : [];
                return [.. blank, .. node.Flag("use_regex", true) ? new TextSplitter[] { WordScanner.Gpt2 } : [], new SpellSplitter()];
            case "Split":
                var (behavior, isInverted) = (Behavior(node, "Removed"), node.Flag("invert", false));
                // Every character is in a match, so that to drop what lies between drops nothing.
                return (behavior == SplitBehavior.Isolated || (behavior == SplitBehavior.Removed && isInverted)) && node["pattern"] is { Element.ValueKind: JsonValueKind.Object } pattern && pattern.TextOr("Regex") is { } expression && WordScanner.For(expression) is { } scanner
                    ? [scanner]
                    : [new PatternSplitter(Matcher(node), behavior, isInverted)];
            case "Whitespace":
                return [new WordSplitter()];
            case "WhitespaceSplit":
                return [new CharacterSplitter(CharacterClasses.Short('s')!, SplitBehavior.Removed)];
            case "Metaspace":
                return [new MetaspaceSplitter(Mark(node), Scheme(node), node.Flag("split", true))];
            case "Digits":
                return [new CharacterSplitter(OlderUnicode.IsNumber, node.Flag("individual_digits", false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous)];
            case "Punctuation":
                return [new CharacterSplitter(OlderUnicode.IsPunctuation, Behavior(node, "Isolated"))];
            case "BertPreTokenizer":
                return [new CharacterSplitter(CharacterClasses.Short('s')!, SplitBehavior.Removed), new CharacterSplitter(OlderUnicode.IsPunctuation, SplitBehavior.Isolated)];
            case "CharDelimiterSplit":
                var delimiter = node.Text("delimiter");
                return Rune.TryGetRuneAt(delimiter, 0, out var rune) && rune.Utf16SequenceLength == delimiter.Length
                    ? [new CharacterSplitter(CodePointSet.Of((rune.Value, rune.Value)), SplitBehavior.Removed)]
                    : throw node["delimiter"].Fault("must be one character.");
            case "UnicodeScripts":
                return [new ScriptSplitter()];
            case "FixedLength":
                return [new LengthSplitter((node.Whole("length") ?? 5) is > 0 and var length ? length : throw node["length"].Fault("must be at least 1."))];
            default:
                throw node.Unknown("pre-tokenizer", "Sequence", "ByteLevel", "Split", "Whitespace", "WhitespaceSplit", "Metaspace", "Digits", "Punctuation", "BertPreTokenizer", "CharDelimiterSplit", "UnicodeScripts", "FixedLength");
        }
    }

    private static SplitBehavior Behavior(TokenizerNode node, string otherwise)
    {
        var name = node.TextOr("behavior") ?? otherwise;
        return Enum.TryParse<SplitBehavior>(name, out var behavior) && Enum.IsDefined(behavior) && char.IsAsciiLetter(name[0])
            ? behavior
            : throw node["behavior"].Fault($"is '{name}', which is unknown; known are {string.Join(", ", Enum.GetNames<SplitBehavior>())}.");
    }

    private static char Mark(TokenizerNode node) => node.TextOr("replacement") is not { } mark ? '\u2581' : mark is [var one] && !char.IsSurrogate(one) ? one : throw node["replacement"].Fault("must be one character below U+10000.");

    private static MetaspaceScheme Scheme(TokenizerNode node)
    {
        var name = node.TextOr("prepend_scheme");
        var adds = node.Flag("add_prefix_space", true);
        if (name is null)
            return adds ? MetaspaceScheme.Always : MetaspaceScheme.Never; // before the scheme had a name
        if (!adds && name is "always" or "first")
            throw node["add_prefix_space"].Fault($"is false and prepend_scheme '{name}'; take one of them out.");
        return name switch
        {
            "always" => MetaspaceScheme.Always,
            "first" => MetaspaceScheme.First,
            "never" => MetaspaceScheme.Never,
            _ => throw node["prepend_scheme"].Fault($"is '{name}', which is unknown; known are always, first, never."),
        };
    }

    // A function that makes the steps anew: they hold what is not yet certain of a text.
    private static Func<IEnumerable<TokenDecoder>> Decoders(TokenizerNode node)
    {
        switch (node.Type)
        {
            case "Sequence":
                var steps = node.List("decoders").Select(Decoders).ToList();
                return () => steps.SelectMany(step => step());
            case "ByteLevel":
                return () => [new ByteLevelDecoder()];
            case "ByteFallback":
                return () => [new ByteFallbackDecoder()];
            case "Fuse":
                return () => [new JoinDecoder()];
            case "Metaspace":
                var (mark, drops) = (Mark(node), Scheme(node) != MetaspaceScheme.Never);
                return () => [new MetaspaceDecoder(mark, drops)];
            case "Replace":
                var (matcher, content) = (Matcher(node), node.Text("content"));
                return () => [new ReplaceDecoder(matcher, content)];
            case "Strip":
                var (character, left, right) = (node.Text("content"), node.Whole("start") ?? 0, node.Whole("stop") ?? 0);
                if (character.Length == 0 || left < 0 || right < 0)
                    throw node.Fault("strips no character, or a number of them below 0.");
                return () => [new StripDecoder(character, left, right)];
            case "WordPiece":
                var (prefix, cleansUp) = (node.TextOr("prefix") ?? "##", node.Flag("cleanup", true));
                return () => [new WordPieceDecoder(prefix, cleansUp)];
            case "BPEDecoder":
                var suffix = node.TextOr("suffix") ?? "</w>";
                return () => [new SuffixDecoder(suffix)];
            case "CTC":
                var (padding, delimiter, cleans) = (node.TextOr("pad_token") ?? "<pad>", node.TextOr("word_delimiter_token") ?? "|", node.Flag("cleanup", true));
                return () => [new CtcDecoder(padding, delimiter, cleans)];
            default:
                throw node.Unknown("decoder", "Sequence", "ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip", "WordPiece", "BPEDecoder", "CTC");
        }
    }
}
