namespace LmKit;

/// <summary>A vocabulary: entry to id and back.</summary>
internal sealed class TokenVocabulary
{
    /// <summary>Ids are below this: a bound for files that are not what they seem.</summary>
    internal const int IdLimit = 1 << 24;

    private const int DenseLimit = 1 << 16;

    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly string?[] entries = [];
    private readonly Dictionary<int, string>? scattered; // where few ids are far apart

    /// <summary>Makes a vocabulary.</summary>
    /// <param name="ids">Entry to id; ids are 0 to <see cref="IdLimit"/> and each is there once.</param>
    /// <exception cref="FormatException">They are not.</exception>
    internal TokenVocabulary(Dictionary<string, int> ids)
    {
        this.ids = ids;
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var most = -1;
        foreach (var (entry, id) in ids)
        {
            if (id is < 0 or >= IdLimit)
                throw new FormatException($"model.vocab has '{entry}' with the id {id}; ids are 0 to {IdLimit - 1}");
            most = Math.Max(most, id);
        }
        IdCount = most + 1;
        if (IdCount <= DenseLimit + (4 * ids.Count))
            entries = new string?[IdCount];
        else
            scattered = new Dictionary<int, string>(ids.Count);
        foreach (var (entry, id) in ids)
            Name(id, entry);
    }

    /// <summary>A vocabulary in which an id is a place in a list; of an entry that is there twice the last counts.</summary>
    internal TokenVocabulary(IReadOnlyList<string> list)
    {
        ids = new Dictionary<string, int>(list.Count, StringComparer.Ordinal);
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        entries = [.. list];
        IdCount = entries.Length;
        for (var id = 0; id < list.Count; id++)
            ids[list[id]] = id;
    }

    private TokenVocabulary(TokenVocabulary whole, IReadOnlySet<int> hidden)
    {
        ids = whole.ids.Where(pair => !hidden.Contains(pair.Value)).ToDictionary(StringComparer.Ordinal);
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        (entries, scattered, IdCount) = (whole.entries, whole.scattered, whole.IdCount);
    }

    /// <summary>The vocabulary in which some ids have texts and no text has them.</summary>
    internal TokenVocabulary Without(IReadOnlySet<int> hidden) => new(this, hidden);

    /// <summary>The largest id and one.</summary>
    internal int IdCount { get; }

    /// <summary>How many entries there are.</summary>
    internal int Count => ids.Count;

    internal Dictionary<string, int> Ids => ids;

    internal int? Id(ReadOnlySpan<char> entry) => lookup.TryGetValue(entry, out var id) ? id : null;

    internal string? Entry(int id) => scattered is not null ? scattered.GetValueOrDefault(id) : id >= 0 && id < entries.Length ? entries[id] : null;

    private void Name(int id, string entry)
    {
        if (Entry(id) is { } other)
            throw new FormatException($"model.vocab has '{other}' and '{entry}' with the same id {id}");
        if (scattered is not null)
            scattered[id] = entry;
        else
            entries[id] = entry;
    }
}
