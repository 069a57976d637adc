using System.ComponentModel.DataAnnotations;
using System.Text;

namespace LmKit;

/// <summary>Learns a byte-level BPE vocabulary from text: the most frequent pair is merged, again and again.</summary>
/// <remarks>
/// Pairs are counted inside the words of GPT-2's cut, weighted by how often a word occurs. Of pairs with equal counts the
/// one with the lower ids goes first, so the same text always gives the same vocabulary. Not thread-safe in one
/// instance; instances are independent.
/// </remarks>
public sealed class BytePairTrainer
{
    private readonly BytePairOptions options;

    /// <summary>Makes a trainer for vocabularies as <paramref name="options"/> describe.</summary>
    /// <exception cref="ArgumentException">An option is out of range; the message names it.</exception>
    public BytePairTrainer(BytePairOptions? options = null)
    {
        this.options = options ??= new BytePairOptions();
        Special = [.. options.SpecialTokens, .. options.EndOfText is null ? Array.Empty<string>() : [options.EndOfText]];
        if (options.VocabSize < 256 + Special.Length)
            throw new ArgumentException($"{nameof(BytePairOptions.VocabSize)} is {options.VocabSize}; it must be at least {256 + Special.Length} for the 256 bytes and {Special.Length} special tokens.", nameof(options));
        if (options.MinimumCount < 1)
            throw new ArgumentException($"{nameof(BytePairOptions.MinimumCount)} is {options.MinimumCount}; it must be at least 1.", nameof(options));
        if (Special.Any(string.IsNullOrEmpty) || Special.Distinct(StringComparer.Ordinal).Count() != Special.Length)
            throw new ArgumentException($"{nameof(BytePairOptions.SpecialTokens)} holds an empty or repeated token: {string.Join(", ", Special)}.", nameof(options));
    }

    private string[] Special { get; }

    /// <summary>Learns a vocabulary from documents; it has fewer entries than asked when the text has too few pairs.</summary>
    /// <exception cref="ArgumentException">There is no text at all.</exception>
    public BytePairVocabulary Train(IEnumerable<string> documents, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        var words = CountWords(documents, cancellation);
        if (words.Count == 0)
            throw new ArgumentException("There is no text to learn a vocabulary from; give at least one non-empty document.", nameof(documents));
        var entries = Enumerable.Range(0, 256).Select(value => ByteAlphabet.Spell([(byte)value])).ToList();
        var merges = new List<string>();
        var counts = new PairCounts(words.Select(word => (Encoding.UTF8.GetBytes(word.Key), word.Value)));
        while (entries.Count < options.VocabSize - Special.Length && counts.TakeMostFrequent(options.MinimumCount) is { } pair)
        {
            cancellation.ThrowIfCancellationRequested();
            counts.Merge(pair, entries.Count);
            merges.Add($"{entries[pair.Left]} {entries[pair.Right]}");
            entries.Add(entries[pair.Left] + entries[pair.Right]);
        }
        entries.AddRange(Special);
        return new BytePairVocabulary(ToIds(entries), merges, options.EndOfText);
    }

    private static Dictionary<string, int> ToIds(List<string> entries)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < entries.Count; id++)
        {
            if (!ids.TryAdd(entries[id], id))
                throw new ArgumentException($"The special token '{entries[id]}' is also an entry learned from the text; choose another spelling.");
        }
        return ids;
    }

    private static List<KeyValuePair<string, long>> CountWords(IEnumerable<string> documents, CancellationToken cancellation)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var lookup = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var document in documents)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var match in GptPreTokenizer.Cut(document))
            {
                var word = document.AsSpan(match.Index, match.Length);
                lookup[word] = lookup.TryGetValue(word, out var count) ? count + 1 : 1;
            }
        }
        return [.. counts.OrderBy(pair => pair.Key, StringComparer.Ordinal)];
    }
}

/// <summary>What a byte-pair vocabulary shall look like.</summary>
public sealed class BytePairOptions
{
    /// <summary>Entries in all: 256 bytes, the merges, the special tokens. Default 2,000, enough for a few megabytes of text.</summary>
    [Range(256, 1_000_000)]
    public int VocabSize { get; set; } = 2_000;

    /// <summary>How often a pair must occur to be merged. Default 2: a pair seen once compresses nothing.</summary>
    [Range(1, int.MaxValue)]
    public int MinimumCount { get; set; } = 2;

    /// <summary>The token between documents, or null for none. Default GPT-2's.</summary>
    public string? EndOfText { get; set; } = "<|endoftext|>";

    /// <summary>Further tokens that stand for no text; they take the last ids.</summary>
    public IReadOnlyList<string> SpecialTokens { get; set; } = [];
}
