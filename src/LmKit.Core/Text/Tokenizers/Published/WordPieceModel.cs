namespace LmKit;

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
        sink.Ids.Add(unknown ?? throw new TokenizerRefusal($"The text holds '{piece}', which the vocabulary cannot spell, and the unknown token '{unknownToken}' is no entry; add it to model.vocab."));
        sink.Lengths?.Add(piece.Length);
    }
}
