using System.Text.Json;

namespace LmKit;

/// <content>Models.</content>
internal static partial class TokenizerJson
{
    private static string Kind(TokenizerNode node) =>
        node.TextOr("type")
        ?? (!node["merges"].IsNull ? "BPE" : node["vocab"].Element.ValueKind == JsonValueKind.Array ? "Unigram" : !node["max_input_chars_per_word"].IsNull ? "WordPiece" : "WordLevel"); // before the format had types

    private static bool IsBytePair(TokenizerNode node) => Kind(node) == "BPE";

    private static TokenModel Model(TokenizerNode node, bool spells) => Kind(node) switch
    {
        "BPE" => BytePair(node, spells),
        "Unigram" => Unigram(node),
        "WordPiece" => new WordPieceModel(Vocabulary(node), node.TextOr("unk_token") ?? "[UNK]", node.TextOr("continuing_subword_prefix") ?? "##", node.Whole("max_input_chars_per_word") ?? 100),
        "WordLevel" => new WordLevelModel(Vocabulary(node), node.TextOr("unk_token") ?? "<unk>"),
        _ => throw node.Unknown("model", "BPE", "Unigram", "WordPiece", "WordLevel"),
    };

    private static TokenVocabulary Vocabulary(TokenizerNode node)
    {
        var vocabulary = node["vocab"];
        if (vocabulary.Element.ValueKind != JsonValueKind.Object)
            throw vocabulary.Fault("must be an object of entries and their ids.");
        var ids = new Dictionary<string, int>(vocabulary.Element.GetPropertyCount(), StringComparer.Ordinal);
        foreach (var entry in vocabulary.Element.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out var id))
                throw vocabulary.Fault($"gives '{entry.Name}' an id that is no whole number.");
            if (!ids.TryAdd(entry.Name, id))
                throw vocabulary.Fault($"has '{entry.Name}' twice.");
        }
        return new TokenVocabulary(ids);
    }

    private static BytePairModel BytePair(TokenizerNode node, bool spells)
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
        var vocabulary = Vocabulary(node);
        return new BytePairModel(vocabulary, Merges(node, vocabulary, settings.Prefix.Length), settings);
    }

    private static List<(int Left, int Right, int Rank, int Id)> Merges(TokenizerNode node, TokenVocabulary vocabulary, int prefix)
    {
        var list = node["merges"];
        if (list.Element.ValueKind != JsonValueKind.Array)
            throw list.Fault("must be a list of pairs.");
        var merges = new List<(int, int, int, int)>(list.Element.GetArrayLength());
        Span<char> buffer = stackalloc char[512];
        foreach (var item in list.Element.EnumerateArray())
        {
            string left, right;
            if (item.ValueKind == JsonValueKind.String)
            {
                var text = item.GetString()!;
                if (text.StartsWith("#version", StringComparison.Ordinal))
                    continue; // the first line of a merges.txt
                var blank = text.IndexOf(' ', StringComparison.Ordinal);
                if (blank < 0 || text.IndexOf(' ', blank + 1) >= 0)
                    throw list.Fault($"holds '{text}' at {merges.Count}, which is no pair with one blank between.");
                (left, right) = (text[..blank], text[(blank + 1)..]);
            }
            else if (item.ValueKind == JsonValueKind.Array && item.GetArrayLength() == 2 && item[0].ValueKind == JsonValueKind.String && item[1].ValueKind == JsonValueKind.String)
            {
                (left, right) = (item[0].GetString()!, item[1].GetString()!);
            }
            else
            {
                throw list.Fault($"holds something at {merges.Count} that is no pair.");
            }
            if (left.Length == 0 || right.Length < prefix || right.Length == 0)
                throw list.Fault($"holds a pair at {merges.Count} with an empty part.");
            var length = left.Length + right.Length - prefix;
            var made = length <= buffer.Length ? buffer[..length] : new char[length];
            left.CopyTo(made);
            right.AsSpan(prefix).CopyTo(made[left.Length..]);
            if (vocabulary.Id(left) is not { } leftId || vocabulary.Id(right) is not { } rightId || vocabulary.Id(made) is not { } id)
                throw list.Fault($"joins '{left}' and '{right}' at {merges.Count}, of which model.vocab lacks {(vocabulary.Id(left) is null ? $"'{left}'" : vocabulary.Id(right) is null ? $"'{right}'" : $"'{made}', what they make")}.");
            merges.Add((leftId, rightId, merges.Count, id));
        }
        return merges;
    }

    private static UnigramModel Unigram(TokenizerNode node)
    {
        var list = node["vocab"];
        if (list.Element.ValueKind != JsonValueKind.Array)
            throw list.Fault("must be a list of entries and their scores.");
        var (entries, scores) = (new List<string>(), new List<double>());
        foreach (var item in list.Element.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() != 2 || item[0].ValueKind != JsonValueKind.String || item[1].ValueKind != JsonValueKind.Number || !double.IsFinite(item[1].GetDouble()))
                throw list.Fault($"holds something at {entries.Count} that is no entry with a finite score.");
            entries.Add(item[0].GetString()!);
            scores.Add(item[1].GetDouble());
        }
        return new UnigramModel(entries, [.. scores], node.Whole("unk_id"), node.Flag("byte_fallback", false));
    }
}
