using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>Counts of adjacent token pairs in weighted words, kept current while pairs are merged.</summary>
internal sealed class PairCounts
{
    private readonly List<(int[] Tokens, long Count)> words = [];
    private readonly Dictionary<(int Left, int Right), long> counts = [];

    // Words that hold a pair or once did; a word that no longer holds it is passed over.
    private readonly Dictionary<(int Left, int Right), List<int>> places = [];

    private readonly HashSet<(int Left, int Right)> grown = [];

    // Entries are put in whenever a count grows and may be out of date when they come out.
    private readonly PriorityQueue<(int Left, int Right), (long Descending, int Left, int Right)> queue = new();

    internal PairCounts(IEnumerable<(byte[] Bytes, long Count)> words)
    {
        foreach (var (bytes, count) in words)
        {
            this.words.Add((Array.ConvertAll(bytes, value => (int)value), count));
            Add(this.words.Count - 1, newToken: null);
        }
        foreach (var pair in counts.Keys)
            Enqueue(pair);
    }

    /// <summary>The most frequent pair that occurs at least <paramref name="minimum"/> times, or null.</summary>
    internal (int Left, int Right)? TakeMostFrequent(long minimum)
    {
        while (queue.TryDequeue(out var pair, out var priority))
        {
            var count = counts.GetValueOrDefault(pair);
            if (count == -priority.Descending)
                return count >= minimum ? pair : null;
            if (count > 0 && count < -priority.Descending)
                Enqueue(pair);
        }
        return null;
    }

    /// <summary>Replaces <paramref name="pair"/> by <paramref name="token"/> in every word.</summary>
    internal void Merge((int Left, int Right) pair, int token)
    {
        if (!places.Remove(pair, out var holders))
            return;
        foreach (var word in holders)
        {
            var (tokens, count) = words[word];
            var merged = Replace(tokens, pair, token);
            if (merged.Length == tokens.Length)
                continue;
            for (var i = 1; i < tokens.Length; i++)
                counts[(tokens[i - 1], tokens[i])] -= count;
            words[word] = (merged, count);
            Add(word, token);
        }
        _ = counts.Remove(pair);
        foreach (var changed in grown)
            Enqueue(changed);
        grown.Clear();
    }

    private void Add(int word, int? newToken)
    {
        var (tokens, count) = words[word];
        for (var i = 1; i < tokens.Length; i++)
        {
            var pair = (tokens[i - 1], tokens[i]);
            CollectionsMarshal.GetValueRefOrAddDefault(counts, pair, out _) += count;
            if (newToken is not null && pair.Item1 != newToken && pair.Item2 != newToken)
                continue; // an old pair of this word: its place is known and its count has not grown
            ref var holders = ref CollectionsMarshal.GetValueRefOrAddDefault(places, pair, out _);
            (holders ??= []).Add(word);
            if (newToken is not null)
                _ = grown.Add(pair);
        }
    }

    private void Enqueue((int Left, int Right) pair) => queue.Enqueue(pair, (-counts[pair], pair.Left, pair.Right));

    private static int[] Replace(int[] tokens, (int Left, int Right) pair, int token)
    {
        var merged = new List<int>(tokens.Length);
        for (var i = 0; i < tokens.Length; i++)
        {
            var isPair = i + 1 < tokens.Length && tokens[i] == pair.Left && tokens[i + 1] == pair.Right;
            merged.Add(isPair ? token : tokens[i]);
            i += isPair ? 1 : 0;
        }
        return [.. merged];
    }
}
