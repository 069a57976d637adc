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

    /// <summary>Tells files apart that encode differently.</summary>
    internal string Hash { get; init; } = "";
}

/// <summary>A tokenizer of a published file, computed step by step as Hugging Face's library does.</summary>
/// <remarks>
/// Through the contract of <see cref="Tokenizer"/> text is plain text: nothing is put around it, and special tokens in it are not
/// recognised, so untrusted text never becomes one. <see cref="ModelTokenizer.Encode"/> has both as options. Decoding leaves special tokens
/// out. Half a surrogate pair is taken for U+FFFD. Thread-safe.
/// </remarks>
internal sealed partial class JsonTokenizer : Tokenizer
{
    private readonly TokenizerPlan plan;
    private readonly AddedTokens raw;
    private readonly AddedTokens rawPlain;
    private readonly AddedTokens normalized;
    private readonly AddedTokens normalizedPlain;
    private readonly Dictionary<int, AddedToken> addedById;
    private readonly HashSet<string> special;
    private readonly ConcurrentBag<TokenSink> sinks = [];

    internal JsonTokenizer(TokenizerPlan plan)
    {
        this.plan = plan;
        var ordered = plan.Added.OrderByDescending(token => token.IsSpecial).ToList(); // stable: special ones first
        raw = new AddedTokens(ordered.Where(token => !token.IsNormalized).Select(token => (token.Text, token)));
        rawPlain = new AddedTokens(ordered.Where(token => !token.IsNormalized && !token.IsSpecial).Select(token => (token.Text, token)));
        normalized = new AddedTokens(ordered.Where(token => token.IsNormalized).Select(Normal));
        normalizedPlain = new AddedTokens(ordered.Where(token => token.IsNormalized && !token.IsSpecial).Select(Normal));
        addedById = [];
        foreach (var token in plan.Added)
            _ = addedById.TryAdd(token.Id, token);
        special = [.. plan.Added.Where(token => token.IsSpecial).Select(token => token.Text)];
        IdCount = Math.Max(plan.Model.Vocabulary.IdCount, plan.Added.Max(token => (int?)token.Id) + 1 ?? 0);

        (string, AddedToken) Normal(AddedToken token)
        {
            var start = 0;
            return (plan.Normalizer?.Apply(token.Text, ref start) ?? token.Text, token);
        }
    }

    /// <summary>The largest id and one.</summary>
    internal int IdCount { get; }

    /// <summary>Tells tokenizers apart that encode differently.</summary>
    internal string Hash => plan.Hash;

    /// <summary>Special tokens by their texts.</summary>
    internal IReadOnlyDictionary<string, int> SpecialTokens => plan.Added.Where(token => token.IsSpecial).DistinctBy(token => token.Text).ToDictionary(token => token.Text, token => token.Id);

    /// <summary>The id of a token's text, or null.</summary>
    internal int? Id(string token) => plan.Added.FirstOrDefault(added => added.Text == token)?.Id ?? plan.Model.Vocabulary.Id(token);

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addsSpecial">Whether what the file puts around a text is put there.</param>
    /// <param name="allowsSpecial">Whether special tokens in the text become their ids.</param>
    internal List<int> Encode(ReadOnlySpan<char> text, bool addsSpecial, bool allowsSpecial)
    {
        var sink = Rent();
        try
        {
            var run = new Run(this, sink, allowsSpecial, null, true, true);
            run.Encode(CodePointSet.WithoutHalves(text));
            return addsSpecial ? Around(sink.Take()) : sink.Take();
        }
        finally
        {
            Return(sink);
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
            new Run(this, sink, false, trace, settings.ConsiderNormalization, settings.ConsiderPreTokenization).Encode(CodePointSet.WithoutHalves(text));
            _ = sink.Take();
            return (trace.Tokens, trace.Text.ToString());
        }
        finally
        {
            Return(sink);
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

    private TokenSink Rent() => sinks.TryTake(out var sink) ? sink : new TokenSink();

    private void Return(TokenSink sink)
    {
        sink.Ids.Clear();
        sink.Lengths = null;
        sinks.Add(sink);
    }

    private string? Token(int id) => addedById.TryGetValue(id, out var added) ? added.Text : plan.Model.Vocabulary.Entry(id);

    /// <summary>Tokens with their places in the text that the model sees.</summary>
    private sealed class Trace
    {
        internal StringBuilder Text { get; } = new();

        internal List<EncodedToken> Tokens { get; } = [];
    }

    /// <summary>One encoding.</summary>
    private readonly struct Run(JsonTokenizer owner, TokenSink sink, bool allowsSpecial, Trace? trace, bool normalizes, bool splits)
    {
        internal void Encode(ReadOnlySpan<char> text)
        {
            var raw = allowsSpecial ? owner.raw : owner.rawPlain;
            if (raw.IsEmpty)
            {
                Stretch(text, 0);
                return;
            }
            var parts = new List<(int Start, int End, AddedToken? Token)>();
            raw.Cut(text, parts);
            foreach (var (start, end, token) in parts)
            {
                if (token is not null)
                    Add(token, text[start..end]);
                else
                    Stretch(text[start..end], start);
            }
        }

        private void Stretch(ReadOnlySpan<char> text, int startsAt)
        {
            if (text.Length > 0 && normalizes && owner.plan.Normalizer is { } normalizer)
                text = normalizer.Apply(text.ToString(), ref startsAt);
            var normalized = allowsSpecial ? owner.normalized : owner.normalizedPlain;
            if (normalized.IsEmpty)
            {
                Plain(text, startsAt == 0);
                return;
            }
            var parts = new List<(int Start, int End, AddedToken? Token)>();
            normalized.Cut(text, parts);
            foreach (var (start, end, token) in parts)
            {
                if (token is not null)
                    Add(token, text[start..end]);
                else
                    Plain(text[start..end], startsAt == 0 && start == 0);
            }
        }

        private void Plain(ReadOnlySpan<char> text, bool isFirst)
        {
            if (trace is null && splits && owner.plan.Splitters is [WordScanner scanner])
            {
                // The common case: words go to the model as they are found.
                for (var start = 0; start < text.Length;)
                {
                    var end = scanner.Next(text, start);
                    owner.plan.Model.Encode(text[start..end], sink);
                    start = end;
                }
                return;
            }
            var pieces = sink.Pieces;
            pieces.Set(text, isFirst);
            foreach (var splitter in splits ? owner.plan.Splitters : [])
                splitter.Apply(pieces);
            foreach (var piece in pieces.List)
            {
                var first = sink.Ids.Count;
                owner.plan.Model.Encode(pieces[piece], sink);
                if (trace is not null)
                    Place(pieces[piece], first, trace);
            }
        }

        private void Add(AddedToken token, ReadOnlySpan<char> text)
        {
            sink.Ids.Add(token.Id);
            sink.Lengths?.Add(text.Length);
            trace?.Tokens.Add(new EncodedToken(token.Id, token.Text, trace.Text.Length..(trace.Text.Length + text.Length)));
            _ = trace?.Text.Append(text);
        }

        private void Place(ReadOnlySpan<char> piece, int first, Trace into)
        {
            var at = 0;
            var start = into.Text.Length;
            _ = into.Text.Append(piece);
            var byteEnds = owner.plan.Spells ? Ends(piece) : null;
            for (var index = first; index < sink.Ids.Count; index++)
            {
                var end = at + sink.Lengths![index];
                var (from, to) = byteEnds is null ? (at, end) : (byteEnds[at].Start, byteEnds[Math.Max(at, end - 1)].End);
                into.Tokens.Add(new EncodedToken(sink.Ids[index], owner.Token(sink.Ids[index]) ?? "", (start + from)..(start + to)));
                at = end;
            }
        }

        // For each byte of a piece the place of its character.
        private static List<(int Start, int End)> Ends(ReadOnlySpan<char> piece)
        {
            var ends = new List<(int, int)>();
            var place = 0;
            foreach (var rune in piece.EnumerateRunes())
            {
                ends.AddRange(Enumerable.Repeat((place, place + rune.Utf16SequenceLength), rune.Utf8SequenceLength));
                place += rune.Utf16SequenceLength;
            }
            ends.Add((place, place));
            return ends;
        }
    }
}
