using System.Text;

namespace LmKit;

/// <summary>Text that knows of each character whether a template wrote it or it came from a message.</summary>
/// <remarks>Immutable. Only the template's own characters may become special tokens.</remarks>
internal sealed class MarkedText
{
    internal const int LongestText = 16 << 20;

    internal static readonly MarkedText Empty = new("", []);

    private readonly bool[] trusted;

    private MarkedText(string text, bool[] trusted)
    {
        Text = text;
        this.trusted = trusted;
    }

    internal string Text { get; }

    internal int Length => Text.Length;

    internal static MarkedText Trusted(string text) => Of(text, true);

    internal static MarkedText Of(string text, bool isTrusted)
    {
        var marks = new bool[text.Length];
        Array.Fill(marks, isTrusted);
        return new MarkedText(text, marks);
    }

    internal bool IsTrusted(int index) => trusted[index];

    internal bool IsAllTrusted => !trusted.AsSpan().Contains(false);

    internal MarkedText Slice(int start, int length) => new(Text.Substring(start, length), trusted.AsSpan(start, length).ToArray());

    internal MarkedText At(IEnumerable<int> places)
    {
        var chosen = places.ToArray();
        return new MarkedText(string.Concat(chosen.Select(place => Text[place])), [.. chosen.Select(place => trusted[place])]);
    }

    /// <summary>The result of a change that keeps no characters apart: trusted only if all of the source was.</summary>
    internal MarkedText Changed(string text) => Of(text, IsAllTrusted);

    internal static MarkedText Join(IReadOnlyList<MarkedText> parts)
    {
        if (parts.Count == 1)
            return parts[0];
        var text = new StringBuilder();
        var length = parts.Sum(part => (long)part.Length);
        if (length > LongestText)
            throw new TemplateException($"The template makes a text of {length} characters; {LongestText} are allowed.");
        var marks = new bool[length];
        foreach (var part in parts)
        {
            part.trusted.CopyTo(marks, text.Length);
            _ = text.Append(part.Text);
        }
        return new MarkedText(text.ToString(), marks);
    }

    internal MarkedText Trim(string? characters, bool atStart, bool atEnd)
    {
        var (start, end) = (0, Length);
        while (atStart && start < end && IsCut(Text[start]))
            start++;
        while (atEnd && end > start && IsCut(Text[end - 1]))
            end--;
        return Slice(start, end - start);

        bool IsCut(char letter) => characters is null ? char.IsWhiteSpace(letter) : characters.Contains(letter);
    }

    internal List<MarkedText> Split(string separator, int most)
    {
        var parts = new List<MarkedText>();
        var start = 0;
        while (parts.Count != most && Text.IndexOf(separator, start, StringComparison.Ordinal) is var found and >= 0)
        {
            parts.Add(Slice(start, found - start));
            start = found + separator.Length;
        }
        parts.Add(Slice(start, Length - start));
        return parts;
    }

    internal List<MarkedText> SplitAtBlanks()
    {
        var parts = new List<MarkedText>();
        for (var place = 0; place < Length;)
        {
            if (char.IsWhiteSpace(Text[place]))
            {
                place++;
                continue;
            }
            var start = place;
            while (place < Length && !char.IsWhiteSpace(Text[place]))
                place++;
            parts.Add(Slice(start, place - start));
        }
        return parts;
    }

    internal MarkedText Replace(string old, MarkedText with)
    {
        if (old.Length == 0)
            return this;
        var parts = Split(old, -1);
        return Join([.. parts.SelectMany((part, index) => index == 0 ? [part] : new[] { with, part })]);
    }

    internal IEnumerable<ChatTextRun> Runs()
    {
        for (var start = 0; start < Length;)
        {
            var end = start + 1;
            while (end < Length && trusted[end] == trusted[start])
                end++;
            yield return new ChatTextRun(Text[start..end], trusted[start]);
            start = end;
        }
    }
}
