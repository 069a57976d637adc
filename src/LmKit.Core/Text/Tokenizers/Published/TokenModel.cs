namespace LmKit;

/// <summary>Makes tokens of one piece of text.</summary>
/// <remarks>Implementations are immutable, for any number of threads.</remarks>
internal abstract class TokenModel(TokenVocabulary vocabulary)
{
    internal TokenVocabulary Vocabulary { get; } = vocabulary;

    /// <summary>Adds the ids of a piece that is not empty.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="sink">Takes the ids.</param>
    internal virtual void Encode(ReadOnlySpan<char> piece, TokenSink sink)
    {
        if (piece.Length > WordCache.LongestWord || sink.Lengths is not null)
        {
            Make(piece, sink);
            return;
        }
        var hash = WordCache.Hash(piece);
        if (sink.Cache.TryAdd(piece, hash, sink.Ids))
            return;
        var first = sink.Ids.Count;
        Make(piece, sink);
        sink.Cache.Keep(piece, hash, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(sink.Ids)[first..]);
    }

    /// <summary>The same model without entries that text must not become; itself where it makes none of them.</summary>
    internal abstract TokenModel Without(IReadOnlySet<int> hidden);

    /// <summary>Adds the ids of a piece that was not met before.</summary>
    protected abstract void Make(ReadOnlySpan<char> piece, TokenSink sink);
}

/// <summary>A vocabulary: entry to id and back.</summary>
internal sealed class TokenVocabulary
{
    private readonly Dictionary<string, int> ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly string?[] entries;

    /// <summary>Makes a vocabulary.</summary>
    /// <param name="ids">Entry to id; ids are 0 to <see cref="BytePairVocabulary.IdLimit"/> and each is there once.</param>
    /// <exception cref="FormatException">They are not.</exception>
    internal TokenVocabulary(Dictionary<string, int> ids)
    {
        this.ids = ids;
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        var most = -1;
        foreach (var (entry, id) in ids)
        {
            if (id is < 0 or >= BytePairVocabulary.IdLimit)
                throw new FormatException($"model.vocab has '{entry}' with the id {id}; ids are 0 to {BytePairVocabulary.IdLimit - 1}");
            most = Math.Max(most, id);
        }
        entries = new string?[most + 1];
        foreach (var (entry, id) in ids)
            entries[id] = entries[id] is null ? entry : throw new FormatException($"model.vocab has '{entries[id]}' and '{entry}' with the same id {id}");
    }

    /// <summary>A vocabulary in which an id is a place in a list; of an entry that is there twice the last counts.</summary>
    internal TokenVocabulary(IReadOnlyList<string> list)
    {
        ids = new Dictionary<string, int>(list.Count, StringComparer.Ordinal);
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        entries = [.. list];
        for (var id = 0; id < list.Count; id++)
            ids[list[id]] = id;
    }

    private TokenVocabulary(TokenVocabulary whole, IReadOnlySet<int> hidden)
    {
        ids = whole.ids.Where(pair => !hidden.Contains(pair.Value)).ToDictionary(StringComparer.Ordinal);
        lookup = ids.GetAlternateLookup<ReadOnlySpan<char>>();
        entries = whole.entries;
    }

    /// <summary>The vocabulary in which some ids have texts and no text has them.</summary>
    internal TokenVocabulary Without(IReadOnlySet<int> hidden) => new(this, hidden);

    /// <summary>The largest id and one.</summary>
    internal int IdCount => entries.Length;

    internal IReadOnlyDictionary<string, int> Ids => ids;

    internal int? Id(ReadOnlySpan<char> entry) => lookup.TryGetValue(entry, out var id) ? id : null;

    internal string? Entry(int id) => id >= 0 && id < entries.Length ? entries[id] : null;
}

/// <summary>One entry a piece; what is none is the unknown token.</summary>
internal sealed class WordLevelModel : TokenModel
{
    private readonly int? unknown;
    private readonly string unknownToken;

    internal WordLevelModel(TokenVocabulary vocabulary, string unknownToken)
        : this(vocabulary, unknownToken, vocabulary.Id(unknownToken))
    {
    }

    private WordLevelModel(TokenVocabulary vocabulary, string unknownToken, int? unknown)
        : base(vocabulary) => (this.unknownToken, this.unknown) = (unknownToken, unknown);

    internal override TokenModel Without(IReadOnlySet<int> hidden) => new WordLevelModel(Vocabulary.Without(hidden), unknownToken, unknown);

    protected override void Make(ReadOnlySpan<char> piece, TokenSink sink)
    {
        sink.Ids.Add(Vocabulary.Id(piece) ?? unknown ?? throw new InvalidOperationException($"The text holds '{piece}', which is no entry, and the unknown token '{unknownToken}' is none either; add it to model.vocab."));
        sink.Lengths?.Add(piece.Length);
    }
}

/// <summary>WordPiece: the longest entry from the left, again and again; a word with a rest that is none is unknown whole.</summary>
internal sealed class WordPieceModel : TokenModel
{
    private readonly string prefix;
    private readonly int mostCharacters;
    private readonly int? unknown;
    private readonly string unknownToken;
    private readonly int longest;

    internal WordPieceModel(TokenVocabulary vocabulary, string unknownToken, string prefix, int mostCharacters)
        : this(vocabulary, unknownToken, vocabulary.Id(unknownToken), prefix, mostCharacters)
    {
    }

    private WordPieceModel(TokenVocabulary vocabulary, string unknownToken, int? unknown, string prefix, int mostCharacters)
        : base(vocabulary)
    {
        (this.unknownToken, this.unknown, this.prefix, this.mostCharacters) = (unknownToken, unknown, prefix, mostCharacters);
        longest = vocabulary.Ids.Keys.Max(entry => (int?)entry.Length) ?? 0;
    }

    internal override TokenModel Without(IReadOnlySet<int> hidden) => new WordPieceModel(Vocabulary.Without(hidden), unknownToken, unknown, prefix, mostCharacters);

    protected override void Make(ReadOnlySpan<char> piece, TokenSink sink)
    {
        var (firstId, firstLength) = (sink.Ids.Count, sink.Lengths?.Count ?? 0);
        var characters = 0;
        foreach (var _ in piece.EnumerateRunes())
            characters++;
        var isKnown = characters <= mostCharacters;
        var buffer = prefix.Length + longest <= 512 ? stackalloc char[512] : new char[prefix.Length + longest];
        prefix.CopyTo(buffer);
        for (var start = 0; isKnown && start < piece.Length;)
        {
            var before = start > 0 ? prefix.Length : 0;
            var length = Math.Min(piece.Length - start, longest - before);
            int? found = null;
            for (; length > 0; length--)
            {
                if (start + length < piece.Length && char.IsLowSurrogate(piece[start + length]))
                    continue;
                var part = piece.Slice(start, length);
                if (before > 0)
                    part.CopyTo(buffer[before..]);
                found = Vocabulary.Id(before > 0 ? buffer[..(before + length)] : part);
                if (found is not null)
                    break;
            }
            isKnown = found is not null;
            if (found is not { } id)
                break;
            sink.Ids.Add(id);
            sink.Lengths?.Add(length);
            start += length;
        }
        if (isKnown)
            return;
        sink.Ids.RemoveRange(firstId, sink.Ids.Count - firstId);
        sink.Lengths?.RemoveRange(firstLength, sink.Lengths.Count - firstLength);
        sink.Ids.Add(unknown ?? throw new InvalidOperationException($"The text holds '{piece}', which the vocabulary cannot spell, and the unknown token '{unknownToken}' is no entry; add it to model.vocab."));
        sink.Lengths?.Add(piece.Length);
    }
}
