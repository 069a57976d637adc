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
        sink.Ids.Add(Vocabulary.Id(piece) ?? unknown ?? throw new TokenizerRefusal($"The text holds '{piece}', which is no entry, and the unknown token '{unknownToken}' is none either; add it to model.vocab."));
        sink.Lengths?.Add(piece.Length);
    }
}
