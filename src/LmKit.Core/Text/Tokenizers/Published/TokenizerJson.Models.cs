using System.Runtime.CompilerServices;
using System.Text.Json;

namespace LmKit;

/// <content>Models.</content>
internal static partial class TokenizerJson
{
    private static string Kind(TokenizerNode node) =>
        node.TextOr("type")
        ?? (!node["merges"].IsNull ? "BPE" : node["vocab"].Element.ValueKind == JsonValueKind.Array ? "Unigram" : !node["max_input_chars_per_word"].IsNull ? "WordPiece" : "WordLevel"); // before the format had types

    private static bool IsBytePair(TokenizerNode node) => Kind(node) == "BPE";

    private static TokenModel Model(TokenizerNode node, TokenizerTables tables, bool spells) => Kind(node) switch
    {
        "BPE" => BytePair(node, tables, spells),
        "Unigram" => Unigram(node, tables),
        "WordPiece" => new WordPieceModel(Vocabulary(node, tables), node.TextOr("unk_token") ?? "[UNK]", node.TextOr("continuing_subword_prefix") ?? "##", node.Whole("max_input_chars_per_word") ?? 100),
        "WordLevel" => new WordLevelModel(Vocabulary(node, tables), node.TextOr("unk_token") ?? "<unk>"),
        _ => throw node.Unknown("model", "BPE", "Unigram", "WordPiece", "WordLevel"),
    };

    private static TokenVocabulary Vocabulary(TokenizerNode node, TokenizerTables tables)
    {
        var vocabulary = node["vocab"];
        if (vocabulary.Element.ValueKind != JsonValueKind.Object)
            throw vocabulary.Fault("must be an object of entries and their ids.");
        var ids = new Dictionary<string, int>(tables.VocabularyCapacity, StringComparer.Ordinal);
        for (var reader = tables.ReadVocabulary(); reader.Read() && reader.TokenType == JsonTokenType.PropertyName;)
            Entry(ref reader, vocabulary, ids);
        return new TokenVocabulary(ids);
    }

    // A method of its own, as below: the first load of a process spends more time on compiling a long loop anew than in it.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Entry(ref Utf8JsonReader reader, TokenizerNode vocabulary, Dictionary<string, int> ids)
    {
        var entry = reader.GetString()!;
        _ = reader.Read();
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var id))
            throw vocabulary.Fault($"gives '{entry}' an id that is no whole number.");
        if (!ids.TryAdd(entry, id))
            throw vocabulary.Fault($"has '{entry}' twice.");
    }

    private static BytePairModel BytePair(TokenizerNode node, TokenizerTables tables, bool spells)
    {
        if (node["dropout"] is { IsNull: false } dropout && (dropout.Element.ValueKind != JsonValueKind.Number || dropout.Element.GetDouble() != 0))
            throw dropout.Fault("is set, which makes encoding random; set it to null.");
        var settings = new BytePairSettings
        {
            Unknown = node.TextOr("unk_token"),
            Prefix = node.TextOr("continuing_subword_prefix") ?? "",
            Suffix = node.TextOr("end_of_word_suffix") ?? "",
            FusesUnknown = node.Flag("fuse_unk", false),
            FallsBack = node.Flag("byte_fallback", false),
            IgnoresMerges = node.Flag("ignore_merges", false),
            Spells = spells,
        };
        var vocabulary = Vocabulary(node, tables);
        return new BytePairModel(vocabulary, Merges(node["merges"], tables, vocabulary, settings.Prefix.Length), settings);
    }

    private static Merge[] Merges(TokenizerNode list, TokenizerTables tables, TokenVocabulary vocabulary, int prefix)
    {
        if (list.Element.ValueKind != JsonValueKind.Array)
            throw list.Fault("must be a list of pairs.");
        var merges = new Merge[vocabulary.Count + 1];
        var count = 0;
        var buffer = new char[256];
        for (var reader = tables.ReadMerges(); reader.Read() && reader.TokenType != JsonTokenType.EndArray;)
        {
            if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.StartsWith("#version"u8))
                continue; // the first line of a merges.txt
            if (count == merges.Length)
                Array.Resize(ref merges, 2 * count);
            merges[count] = Joined(ref reader, list, vocabulary, prefix, ref buffer, count);
            count++;
        }
        Array.Resize(ref merges, count);
        return merges;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Merge Joined(ref Utf8JsonReader reader, TokenizerNode list, TokenVocabulary vocabulary, int prefix, ref char[] buffer, int place)
    {
        var (leftLength, rightLength) = Pair(ref reader, list, ref buffer, place);
        var left = buffer.AsSpan(0, leftLength);
        var right = buffer.AsSpan(leftLength, rightLength);
        if (left.IsEmpty || right.IsEmpty || right.Length < prefix)
            throw list.Fault($"holds a pair at {place} with an empty part.");
        ReadOnlySpan<char> whole = prefix == 0 ? buffer.AsSpan(0, leftLength + rightLength) : string.Concat(left, right[prefix..]);
        return vocabulary.Id(left) is { } leftId && vocabulary.Id(right) is { } rightId && vocabulary.Id(whole) is { } id
            ? new Merge(leftId, rightId, place, id)
            : throw list.Fault($"joins '{left}' and '{right}' at {place}, of which model.vocab lacks {(vocabulary.Id(left) is null ? $"'{left}'" : vocabulary.Id(right) is null ? $"'{right}'" : $"'{whole}', what they make")}.");
    }

    // Two texts in a list, or one with a blank between: their lengths; in the buffer the right stands behind the left.
    private static (int Left, int Right) Pair(ref Utf8JsonReader reader, TokenizerNode list, ref char[] buffer, int place)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            var length = Copy(ref reader, ref buffer, 0);
            var blank = buffer.AsSpan(0, length).IndexOf(' ');
            if (blank < 0 || buffer.AsSpan((blank + 1)..length).Contains(' '))
                throw list.Fault($"holds '{new string(buffer, 0, length)}' at {place}, which is no pair with one blank between.");
            buffer.AsSpan((blank + 1)..length).CopyTo(buffer.AsSpan(blank));
            return (blank, length - 1 - blank);
        }
        if (reader.TokenType == JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.String)
        {
            var left = Copy(ref reader, ref buffer, 0);
            if (reader.Read() && reader.TokenType == JsonTokenType.String)
            {
                var right = Copy(ref reader, ref buffer, left);
                if (reader.Read() && reader.TokenType == JsonTokenType.EndArray)
                    return (left, right);
            }
        }
        throw list.Fault($"holds something at {place} that is no pair.");
    }

    private static int Copy(ref Utf8JsonReader reader, ref char[] buffer, int at)
    {
        if (buffer.Length - at < reader.ValueSpan.Length)
            Array.Resize(ref buffer, at + (2 * reader.ValueSpan.Length));
        return reader.CopyString(buffer.AsSpan(at));
    }

    private static UnigramModel Unigram(TokenizerNode node, TokenizerTables tables)
    {
        var list = node["vocab"];
        if (list.Element.ValueKind != JsonValueKind.Array)
            throw list.Fault("must be a list of entries and their scores.");
        var (entries, scores) = (new List<string>(), new List<double>());
        for (var reader = tables.ReadVocabulary(); reader.Read() && reader.TokenType != JsonTokenType.EndArray;)
        {
            var entry = reader.TokenType == JsonTokenType.StartArray && reader.Read() && reader.TokenType == JsonTokenType.String ? reader.GetString() : null;
            if (entry is null || !reader.Read() || reader.TokenType != JsonTokenType.Number || reader.GetDouble() is var score && !double.IsFinite(score) || !reader.Read() || reader.TokenType != JsonTokenType.EndArray)
                throw list.Fault($"holds something at {entries.Count} that is no entry with a finite score.");
            entries.Add(entry);
            scores.Add(score);
        }
        return new UnigramModel(entries, [.. scores], node.Whole("unk_id"), node.Flag("byte_fallback", false));
    }
}
