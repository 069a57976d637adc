using System.Text;

namespace LmKit;

/// <summary>A byte-level BPE vocabulary: entries by id and merges by rank, in GPT-2's byte spelling.</summary>
/// <remarks>
/// Immutable. Ids 0 to 255 of a trained vocabulary are the bytes themselves. An entry of one byte, or that a merge makes, stands for the
/// bytes that it spells; every other entry is a special token, which text never becomes and which stands for its own letters.
/// </remarks>
public sealed class BytePairVocabulary
{
    private readonly Dictionary<int, byte[]> bytes = [];
    private readonly Dictionary<string, int> special = [];

    /// <summary>Makes a vocabulary from its parts.</summary>
    /// <param name="entries">Entry to id. Ids may leave gaps, as published vocabularies do; an unused id stands for no text.</param>
    /// <param name="merges">Each merge as its two entries with a blank between them, strongest first.</param>
    /// <param name="endOfText">The entry that separates documents, or null.</param>
    /// <exception cref="ArgumentException">There is no entry, an id is negative, given twice or above 16,777,215, a merge is there twice or
    /// does not join two entries into a third, or <paramref name="endOfText"/> is no entry.</exception>
    public BytePairVocabulary(IReadOnlyDictionary<string, int> entries, IReadOnlyList<string> merges, string? endOfText)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(merges);
        if (entries.Count == 0)
            throw new ArgumentException("The vocabulary has no entries.", nameof(entries));
        var made = Made(entries, merges);
        foreach (var (entry, id) in entries)
        {
            if (id is < 0 or >= TokenVocabulary.IdLimit)
                throw new ArgumentException($"Entry '{entry}' has id {id}; ids are 0 to {TokenVocabulary.IdLimit - 1}.", nameof(entries));
            var isBytes = (entry.Length == 1 || made.Contains(entry)) & ByteAlphabet.TryRead(entry, out var read);
            _ = isBytes || entry.Length == 0 || special.TryAdd(entry, id);
            if (!bytes.TryAdd(id, isBytes ? read! : Encoding.UTF8.GetBytes(entry)))
                throw new ArgumentException($"Entry '{entry}' has id {id}, which another entry has too.", nameof(entries));
        }
        if (endOfText is not null && !entries.ContainsKey(endOfText))
            throw new ArgumentException($"The end-of-text token '{endOfText}' is not in the vocabulary.", nameof(endOfText));
        Entries = entries;
        Merges = merges;
        EndOfText = endOfText;
        IdCount = bytes.Keys.Max() + 1;
    }

    /// <summary>Every entry with its id.</summary>
    public IReadOnlyDictionary<string, int> Entries { get; }

    /// <summary>The merges, strongest first, each as two entries with a blank between them.</summary>
    public IReadOnlyList<string> Merges { get; }

    /// <summary>The entry that separates documents, or null.</summary>
    public string? EndOfText { get; }

    /// <summary>The number of ids, unused ones included: the largest and one.</summary>
    internal int IdCount { get; }

    /// <summary>Makes the tokenizer that encodes and decodes with this vocabulary.</summary>
    /// <remarks>
    /// Special tokens are entries that text never becomes: somebody's text cannot smuggle one in. Whoever needs one
    /// adds its id. An unused id decodes to nothing; the tokenizer's size is the largest id and one.
    /// </remarks>
    public ModelTokenizer CreateTokenizer() => new(new BytePairTokenizer(this), IdCount, EndOfText is null ? null : Entries[EndOfText]) { SpecialTokens = special };

    /// <summary>What an id stands for; nothing for an unused one.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative or above the largest.</exception>
    internal ReadOnlySpan<byte> Bytes(int id) => bytes.TryGetValue(id, out var found) ? found
        : id >= 0 && id < IdCount ? []
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"The tokenizer's ids are 0 to {IdCount - 1}.");

    /// <summary>Why a merge is none, or null if it is one.</summary>
    internal static string? Fault(IReadOnlyDictionary<string, int> entries, string merge) =>
        merge.Split(' ') is [var left, var right] && entries.ContainsKey(left) && entries.ContainsKey(right) && entries.ContainsKey(left + right)
            ? null
            : $"'{merge}' does not join two entries of the vocabulary into a third.";

    private static HashSet<string> Made(IReadOnlyDictionary<string, int> entries, IReadOnlyList<string> merges)
    {
        var made = new HashSet<string>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var merge in merges)
        {
            if (merge is null || Fault(entries, merge) is not null)
                throw new ArgumentException($"The merge {(merge is null ? "null is none." : Fault(entries, merge))}", nameof(merges));
            if (!seen.Add(merge))
                throw new ArgumentException($"The merge '{merge}' is there twice.", nameof(merges));
            _ = made.Add(merge.Replace(" ", "", StringComparison.Ordinal));
        }
        return made;
    }
}
