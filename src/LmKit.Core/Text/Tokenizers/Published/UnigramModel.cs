using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Unigram: of all ways to spell a piece in entries the likeliest, by Viterbi's search over their log probabilities.</summary>
/// <remarks>T. Kudo, "Subword Regularization" (2018), section 3. A character that is no entry costs the lowest score less 10; neighbours
/// of that kind are one unknown token, or bytes where the vocabulary has them.</remarks>
internal sealed class UnigramModel : TokenModel
{
    private const double UnknownPenalty = 10;

    private readonly double[] scores;
    private readonly double unknownScore;
    private readonly int? unknown;
    private readonly IReadOnlySet<int> hidden;
    private readonly int[]? bytes;

    private readonly TextTrie trie = new();
    private readonly int[] entryOf; // of each node, or -1

    /// <summary>Makes the model.</summary>
    /// <exception cref="FormatException">There is no entry, or the unknown token's id is beyond them.</exception>
    internal UnigramModel(IReadOnlyList<string> entries, double[] scores, int? unknown, bool fallsBack)
        : this(new TokenVocabulary(entries), scores, unknown, fallsBack, new HashSet<int>())
    {
    }

    private UnigramModel(TokenVocabulary vocabulary, double[] scores, int? unknown, bool fallsBack, IReadOnlySet<int> hidden)
        : base(vocabulary)
    {
        this.hidden = hidden;
        if (scores.Length == 0)
            throw new FormatException("model.vocab has no entries");
        if (unknown is { } id && (id < 0 || id >= scores.Length))
            throw new FormatException($"model.unk_id is {id}; model.vocab has the ids 0 to {scores.Length - 1}");
        (this.scores, this.unknown) = (scores, unknown);
        unknownScore = scores.Min() - UnknownPenalty;
        entryOf = Entries();
        if (fallsBack)
            bytes = [.. Enumerable.Range(0, 256).Select(value => Vocabulary.Id(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>")) ?? -1)];
    }

    internal override TokenModel Without(IReadOnlySet<int> hidden) => new UnigramModel(Vocabulary, scores, unknown, bytes is not null, this.hidden.Union(hidden).ToHashSet());

    protected override void Make(ReadOnlySpan<char> piece, TokenSink sink)
    {
        var best = new (double Score, int From, int Id)[piece.Length + 1];
        Array.Fill(best, (double.NegativeInfinity, -1, -1));
        best[0] = (0, -1, -1);
        for (var start = 0; start < piece.Length;)
        {
            _ = CodePointSet.At(piece, start, out var width);
            var isEntry = false;
            var (node, score) = (0, best[start].Score);
            for (var end = start; end < piece.Length && (node = trie.Next(node, piece[end])) >= 0; end++)
            {
                var entry = entryOf[node];
                if (entry < 0)
                    continue;
                isEntry |= end + 1 - start == width;
                Offer(ref best[end + 1], scores[entry] + score, start, entry);
            }
            if (!isEntry)
                Offer(ref best[start + width], unknownScore + score, start, unknown ?? throw new TokenizerRefusal($"The text holds '{piece.Slice(start, width)}', which is no entry, and model.unk_id names no unknown token."));
            start += width;
        }
        Walk(piece, best, sink);
    }

    private int[] Entries()
    {
        var entries = new List<int> { -1 };
        for (var id = 0; id < Vocabulary.IdCount; id++)
        {
            if (Vocabulary.Entry(id) is not { Length: > 0 } entry || Vocabulary.Id(entry) != id || hidden.Contains(id))
                continue; // of an entry that is there twice the last counts
            var node = trie.Add(entry);
            while (entries.Count <= node)
                entries.Add(-1);
            entries[node] = id;
        }
        return [.. entries];
    }

    private static void Offer(ref (double Score, int From, int Id) place, double score, int start, int id)
    {
        if (place.From < 0 || score > place.Score)
            place = (score, start, id);
    }

    // From the end to the beginning; unknown neighbours are joined.
    private void Walk(ReadOnlySpan<char> piece, (double Score, int From, int Id)[] best, TokenSink sink)
    {
        var parts = new List<(int Start, int End)>();
        for (var end = piece.Length; end > 0;)
        {
            var start = best[end].From;
            if (best[end].Id == unknown)
            {
                while (start > 0 && best[start].Id == unknown)
                    start = best[start].From;
            }
            parts.Add((start, end));
            end = start;
        }
        for (var index = parts.Count - 1; index >= 0; index--)
            Add(piece[parts[index].Start..parts[index].End], sink);
    }

    private void Add(ReadOnlySpan<char> part, TokenSink sink)
    {
        if (Vocabulary.Id(part) is { } known && !hidden.Contains(known))
        {
            sink.Ids.Add(known);
            sink.Lengths?.Add(part.Length);
            return;
        }
        if (bytes is not null)
        {
            var spelled = Encoding.UTF8.GetBytes(part.ToString());
            if (spelled.All(value => bytes[value] >= 0))
            {
                foreach (var value in spelled)
                {
                    sink.Ids.Add(bytes[value]);
                    sink.Lengths?.Add(0);
                }
                if (sink.Lengths is { } lengths)
                    lengths[^1] = part.Length;
                return;
            }
        }
        sink.Ids.Add(unknown ?? throw new TokenizerRefusal($"The text holds '{part}', which is no entry, and model.unk_id names no unknown token."));
        sink.Lengths?.Add(part.Length);
    }
}
