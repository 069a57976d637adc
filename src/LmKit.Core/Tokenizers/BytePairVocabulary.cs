using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>A byte-level BPE vocabulary: entries by id and merges by rank, in GPT-2's byte spelling.</summary>
/// <remarks>Immutable. Ids 0 to 255 of a trained vocabulary are the bytes themselves.</remarks>
public sealed class BytePairVocabulary
{
    /// <summary>Makes a vocabulary from its parts.</summary>
    /// <param name="entries">Entry to id.</param>
    /// <param name="merges">Each merge as its two entries with a blank between them, strongest first.</param>
    /// <param name="endOfText">The entry that separates documents, or null.</param>
    /// <exception cref="ArgumentException">The ids are not 0 to the count, or <paramref name="endOfText"/> is no entry.</exception>
    public BytePairVocabulary(IReadOnlyDictionary<string, int> entries, IReadOnlyList<string> merges, string? endOfText)
    {
        ArgumentNullException.ThrowIfNull(entries);
        ArgumentNullException.ThrowIfNull(merges);
        var seen = new bool[entries.Count];
        foreach (var (entry, id) in entries)
        {
            if (id < 0 || id >= seen.Length || seen[id])
            {
                throw new ArgumentException($"Entry '{entry}' has id {id}; {seen.Length} entries need the ids 0 to {seen.Length - 1}, each once.", nameof(entries));
            }
            seen[id] = true;
        }
        if (endOfText is not null && !entries.ContainsKey(endOfText))
        {
            throw new ArgumentException($"The end-of-text token '{endOfText}' is not in the vocabulary.", nameof(endOfText));
        }
        Entries = entries;
        Merges = merges;
        EndOfText = endOfText;
    }

    /// <summary>Every entry with its id.</summary>
    public IReadOnlyDictionary<string, int> Entries { get; }

    /// <summary>The merges, strongest first, each as two entries with a blank between them.</summary>
    public IReadOnlyList<string> Merges { get; }

    /// <summary>The entry that separates documents, or null.</summary>
    public string? EndOfText { get; }

    /// <summary>Makes the tokenizer that encodes and decodes with this vocabulary.</summary>
    /// <remarks>
    /// Special tokens are entries that text never becomes: somebody's text cannot smuggle one in. Whoever needs one
    /// adds its id.
    /// </remarks>
    public ModelTokenizer CreateTokenizer()
    {
        var options = new BpeOptions(Entries) { Merges = Merges, ByteLevel = true, PreTokenizer = GptPreTokenizer.Create() };
        return new ModelTokenizer(BpeTokenizer.Create(options), Entries.Count, EndOfText is null ? null : Entries[EndOfText]);
    }
}
