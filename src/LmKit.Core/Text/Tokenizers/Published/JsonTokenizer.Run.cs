using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <content>One encoding.</content>
internal sealed partial class JsonTokenizer
{
    /// <summary>Tokens with their places in the text that the model sees.</summary>
    private sealed class Trace
    {
        internal StringBuilder Text { get; } = new();

        internal List<EncodedToken> Tokens { get; } = [];
    }

    /// <summary>One encoding.</summary>
    private readonly struct Run(JsonTokenizer owner, TokenSink sink, TokenModel model)
    {
        internal bool AllowsSpecial { get; init; }

        internal TrustedRanges? Trust { get; init; }

        internal Trace? Trace { get; init; }

        internal bool SkipsNormalizer { get; init; }

        internal bool SkipsSplits { get; init; }

        internal void Encode(ReadOnlySpan<char> text)
        {
            var raw = owner.raw;
            if (raw.IsEmpty || (!AllowsSpecial && raw.AreSpecial))
            {
                Stretch(text, 0);
                return;
            }
            var parts = new List<(int Start, int End, AddedToken? Token)>();
            raw.Cut(text, parts, AllowsSpecial ? Trust : TrustedRanges.None);
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
            var (offset, trust) = (startsAt, AllowsSpecial ? Trust : TrustedRanges.None);
            if (text.Length > 0 && !SkipsNormalizer && owner.plan.Normalizer is { } normalizer)
            {
                var given = text.ToString();
                var normal = normalizer.Apply(given, ref startsAt);
                if (trust is not null && trust != TrustedRanges.None && normal != given && owner.normalized.CanBeGuarded)
                    (trust, offset) = (trust.Holds(offset, offset + given.Length) ? null : trust.Through(normalizer, given, offset, normal), 0);
                text = normal;
            }
            var normalized = owner.normalized;
            if (normalized.IsEmpty || (!AllowsSpecial && normalized.AreSpecial))
            {
                Plain(text, startsAt == 0);
                return;
            }
            var parts = new List<(int Start, int End, AddedToken? Token)>();
            normalized.Cut(text, parts, trust, offset);
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
            if (Trace is null && !SkipsSplits && owner.plan.Splitters is [WordScanner scanner])
            {
                // The common case: words go to the model as they are found.
                for (var start = 0; start < text.Length;)
                {
                    var end = scanner.Next(text, start);
                    model.Encode(text[start..end], sink);
                    start = end;
                }
                return;
            }
            var pieces = sink.Pieces;
            pieces.Set(text, isFirst);
            foreach (var splitter in SkipsSplits ? [] : owner.plan.Splitters)
                splitter.Apply(pieces);
            foreach (var piece in pieces.List)
            {
                var first = sink.Ids.Count;
                model.Encode(pieces[piece], sink);
                if (Trace is not null)
                    Place(pieces[piece], first, Trace);
            }
        }

        private void Add(AddedToken token, ReadOnlySpan<char> text)
        {
            sink.Ids.Add(token.Id);
            sink.Lengths?.Add(text.Length);
            Trace?.Tokens.Add(new EncodedToken(token.Id, token.Text, Trace.Text.Length..(Trace.Text.Length + text.Length)));
            _ = Trace?.Text.Append(text);
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
