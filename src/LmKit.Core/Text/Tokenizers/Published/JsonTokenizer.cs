using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>What a published tokenizer does, step by step.</summary>
internal sealed record TokenizerPlan(TokenModel Model)
{
    internal TextNormalizer? Normalizer { get; init; }

    internal IReadOnlyList<TextSplitter> Splitters { get; init; } = [];

    /// <summary>Whether the model's pieces are bytes spelled as characters.</summary>
    internal bool Spells { get; init; }

    internal IReadOnlyList<AddedToken> Added { get; init; } = [];

    /// <summary>What stands around a text: ids, and null for the text itself; null for nothing.</summary>
    internal IReadOnlyList<int?>? Template { get; init; }

    /// <summary>Makes the steps back to text; null where the file has none.</summary>
    internal Func<IEnumerable<TokenDecoder>> Decoders { get; init; } = () => [];

    /// <summary>The file, for errors.</summary>
    internal string File { get; init; } = "";

    /// <summary>Tells files apart that encode differently.</summary>
    internal string Hash { get; init; } = "";
}

/// <summary>A tokenizer of a published file, computed step by step as Hugging Face's library does.</summary>
/// <remarks>
/// Through the contract of <see cref="Tokenizer"/> text is plain text: nothing is put around it, and special tokens in it are not
/// recognised, so untrusted text never becomes one. <see cref="ModelTokenizer.Encode"/> has both as options. Decoding leaves special tokens
/// out. Half a surrogate pair is taken for U+FFFD. A text that the file cannot encode gives a <see cref="TokenizerException"/>. Thread-safe.
/// </remarks>
internal sealed partial class JsonTokenizer : Tokenizer
{
    private readonly TokenizerPlan plan;
    private readonly AddedTokens raw;
    private readonly AddedTokens normalized;
    private readonly Dictionary<int, AddedToken> addedById;
    private readonly HashSet<string> special;
    private readonly HashSet<int> marks;
    private readonly Lazy<TokenModel> strict;
    private readonly ConcurrentBag<TokenSink> sinks = [];
    private readonly ConcurrentBag<TokenSink> strictSinks = [];

    internal JsonTokenizer(TokenizerPlan plan)
    {
        this.plan = plan;
        List<AddedToken> ordered = [.. plan.Added.Where(token => token.IsSpecial), .. plan.Added.Where(token => !token.IsSpecial)];
        raw = new AddedTokens(ordered.Where(token => !token.IsNormalized), token => token.Text);
        normalized = new AddedTokens(ordered.Where(token => token.IsNormalized), Normal);
        addedById = [];
        foreach (var token in plan.Added)
            _ = addedById.TryAdd(token.Id, token);
        special = [.. plan.Added.Where(token => token.IsSpecial).Select(token => token.Text)];
        marks = [.. plan.Added.Where(token => token.IsMark).Select(token => token.Id)];
        strict = new(Strict);
        IdCount = plan.Model.Vocabulary.IdCount;
        foreach (var token in plan.Added)
            IdCount = Math.Max(IdCount, token.Id + 1);

        string Normal(AddedToken token)
        {
            var start = 0;
            return plan.Normalizer?.Apply(token.Text, ref start) ?? token.Text;
        }
    }

    /// <summary>The largest id and one.</summary>
    internal int IdCount { get; }

    /// <summary>Ids below <see cref="IdCount"/> that are no token's.</summary>
    internal IEnumerable<long> Gaps => Enumerable.Range(0, IdCount).Where(id => Token(id) is null).Select(id => (long)id);

    /// <summary>Tells tokenizers apart that encode differently.</summary>
    internal string Hash => plan.Hash;

    /// <summary>What the file puts before a text.</summary>
    internal IReadOnlyList<int> Start => [.. (plan.Template ?? []).TakeWhile(item => item is not null).Select(item => item!.Value)];

    /// <summary>Special tokens by their texts.</summary>
    internal IReadOnlyDictionary<string, int> SpecialTokens => plan.Added.Where(token => token.IsSpecial).DistinctBy(token => token.Text).ToDictionary(token => token.Text, token => token.Id);

    /// <summary>The id of an added token's text, or null.</summary>
    internal int? AddedId(string token) => plan.Added.FirstOrDefault(added => added.Text == token)?.Id;

    /// <summary>The id of a token's text, or null.</summary>
    internal int? Id(string token) => AddedId(token) ?? plan.Model.Vocabulary.Id(token);

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addsSpecial">Whether what the file puts around a text is put there.</param>
    /// <param name="allowsSpecial">Whether special tokens in the text become their ids.</param>
    internal List<int> Encode(ReadOnlySpan<char> text, bool addsSpecial, bool allowsSpecial)
    {
        var sink = Rent();
        try
        {
            new Run(this, sink, plan.Model) { AllowsSpecial = allowsSpecial }.Encode(CodePointSet.WithoutHalves(text));
            return addsSpecial ? Around(sink.Take()) : sink.Take();
        }
        catch (TokenizerRefusal failure)
        {
            throw Refused(failure);
        }
        finally
        {
            Return(sink, sinks);
        }
    }

    /// <summary>Encodes a text of which only parts are trusted: elsewhere nothing becomes a special token, not even an entry of the model that
    /// spells one, as unigram models have.</summary>
    internal List<int> Encode(ReadOnlySpan<char> text, TrustedRanges trust, bool addsSpecial = false)
    {
        if (!strictSinks.TryTake(out var sink))
            sink = new TokenSink();
        try
        {
            new Run(this, sink, strict.Value) { AllowsSpecial = true, Trust = trust }.Encode(CodePointSet.WithoutHalves(text));
            return addsSpecial ? Around(sink.Take()) : sink.Take();
        }
        catch (TokenizerRefusal failure)
        {
            throw Refused(failure);
        }
        finally
        {
            Return(sink, strictSinks);
        }
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var whole = text is null ? textSpan : text.AsSpan();
        if (settings.MaxTokenCount == int.MaxValue && settings is { ConsiderNormalization: true, ConsiderPreTokenization: true })
            return new EncodeResults<int> { Tokens = Encode(whole, addsSpecial: false, allowsSpecial: false), CharsConsumed = whole.Length };
        var result = EncodeToTokens(text, textSpan, settings);
        return new EncodeResults<int> { Tokens = [.. result.Tokens.Select(token => token.Id)], NormalizedText = result.NormalizedText, CharsConsumed = result.CharsConsumed };
    }

    /// <inheritdoc/>
    /// <remarks>Places are those in the text as the model gets it: normalized, with marks for blanks where the file has them, without what its
    /// splits drop.</remarks>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        var whole = text is null ? textSpan : text.AsSpan();
        var (tokens, seen) = Traced(whole, settings);
        var kept = tokens.Count <= settings.MaxTokenCount ? tokens : tokens[..settings.MaxTokenCount];
        var isSame = whole.SequenceEqual(seen);
        return new EncodeResults<EncodedToken>
        {
            Tokens = kept,
            NormalizedText = isSame ? null : seen,
            CharsConsumed = kept.Count == tokens.Count ? (isSame ? whole.Length : seen.Length) : kept.Count == 0 ? 0 : kept[^1].Offset.End.Value,
        };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) => EncodeToIds(text, textSpan, settings).Tokens.Count;

    /// <inheritdoc/>
    protected override int GetIndexByTokenCount(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        var whole = text is null ? textSpan : text.AsSpan();
        var (tokens, seen) = Traced(whole, settings);
        normalizedText = whole.SequenceEqual(seen) ? null : seen;
        tokenCount = Math.Min(tokens.Count, settings.MaxTokenCount);
        return fromEnd
            ? tokenCount == tokens.Count ? 0 : tokenCount == 0 ? seen.Length : tokens[^tokenCount].Offset.Start.Value
            : tokenCount == tokens.Count ? seen.Length : tokenCount == 0 ? 0 : tokens[tokenCount - 1].Offset.End.Value;
    }

    private (List<EncodedToken> Tokens, string Seen) Traced(ReadOnlySpan<char> text, EncodeSettings settings)
    {
        var sink = Rent();
        try
        {
            var trace = new Trace();
            sink.Lengths = [];
            new Run(this, sink, plan.Model) { Trace = trace, SkipsNormalizer = !settings.ConsiderNormalization, SkipsSplits = !settings.ConsiderPreTokenization }.Encode(CodePointSet.WithoutHalves(text));
            _ = sink.Take();
            return (trace.Tokens, trace.Text.ToString());
        }
        catch (TokenizerRefusal failure)
        {
            throw Refused(failure);
        }
        finally
        {
            Return(sink, sinks);
        }
    }

    private List<int> Around(List<int> ids)
    {
        if (plan.Template is null)
            return ids;
        var made = new List<int>(ids.Count + plan.Template.Count);
        foreach (var item in plan.Template)
        {
            if (item is { } id)
                made.Add(id);
            else
                made.AddRange(ids);
        }
        return made;
    }

    private TokenizerException Refused(TokenizerRefusal failure) => new(plan.File, failure.Message, failure);

    private TokenSink Rent() => sinks.TryTake(out var sink) ? sink : new TokenSink();

    private static void Return(TokenSink sink, ConcurrentBag<TokenSink> bag)
    {
        sink.Ids.Clear();
        sink.Lengths = null;
        bag.Add(sink);
    }

    /// <summary>Added tokens that are spelled like special ones without being declared so, and that stand in texts which a template wrote: in a
    /// chat they are as special as others.</summary>
    internal IReadOnlySet<int> Marks(IEnumerable<string> written)
    {
        var found = new HashSet<int>();
        if (marks.Count == 0)
            return found;
        var parts = new List<(int Start, int End, AddedToken? Token)>();
        foreach (var text in written)
        {
            raw.Cut(text, parts);
            found.UnionWith(parts.Select(part => part.Token?.Id ?? -1).Where(marks.Contains));
            var startsAt = 0;
            normalized.Cut(plan.Normalizer?.Apply(text, ref startsAt) ?? text, parts);
            found.UnionWith(parts.Select(part => part.Token?.Id ?? -1).Where(marks.Contains));
        }
        return found;
    }

    private TokenModel Strict()
    {
        var hidden = plan.Added.Where(token => token.IsSpecial || token.IsMark).Select(token => plan.Model.Vocabulary.Id(token.Text)).OfType<int>().ToHashSet();
        return hidden.Count == 0 ? plan.Model : plan.Model.Without(hidden);
    }

    private string? Token(int id) => addedById.TryGetValue(id, out var added) ? added.Text : plan.Model.Vocabulary.Entry(id);
}
