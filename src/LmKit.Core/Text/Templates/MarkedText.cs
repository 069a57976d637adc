using System.Text;

namespace LmKit;

/// <summary>Text that knows of each character whether a template wrote it or it came from a message.</summary>
/// <remarks>Immutable. Only the template's own characters may become special tokens. Places are those of UTF-16 units; what a template
/// counts and indexes are whole characters (<see cref="Count"/>).</remarks>
internal sealed partial class MarkedText
{
    private const int BytesOfARun = 120; // beside its characters

    internal static readonly MarkedText Empty = new("", true);

    private readonly bool[]? marks; // null where all characters have one origin
    private readonly bool isTrusted;
    private int[]? starts; // of whole characters; empty where each takes one unit

    private MarkedText(string text, bool isTrusted) => (Text, this.isTrusted) = (text, isTrusted);

    private MarkedText(string text, bool[] marks)
    {
        Text = text;
        isTrusted = !marks.AsSpan().Contains(false);
        this.marks = isTrusted || !marks.AsSpan().Contains(true) ? null : marks;
    }

    internal string Text { get; }

    internal int Length => Text.Length;

    internal static MarkedText Trusted(string text) => new(text, true);

    internal static MarkedText Of(string text, bool isTrusted) => new(text, isTrusted);

    internal bool IsTrusted(int place) => marks is null ? isTrusted : marks[place];

    /// <summary>The number of whole characters.</summary>
    internal int Count(TemplateBudget budget) => Starts(budget) is { Length: > 0 } several ? several.Length : Length;

    /// <summary>The characters from one to before another.</summary>
    internal MarkedText Characters(int from, int to, TemplateBudget budget)
    {
        var several = Starts(budget);
        int Place(int index) => several.Length == 0 ? index : index < several.Length ? several[index] : Length;
        return Slice(Place(from), Place(to) - Place(from), budget);
    }

    internal MarkedText Slice(int start, int length, TemplateBudget budget)
    {
        if (length == Length)
            return this;
        if (length == 0)
            return Empty;
        budget.Text(length);
        return marks is null ? new MarkedText(Text.Substring(start, length), isTrusted) : new MarkedText(Text.Substring(start, length), marks.AsSpan(start, length).ToArray());
    }

    /// <summary>The result of a change that keeps no characters apart: trusted only if all of the source was.</summary>
    internal MarkedText Changed(string text, TemplateBudget budget)
    {
        if (text.Length == Length && text == Text && (marks is null || isTrusted))
            return this;
        budget.Text(text.Length);
        return new MarkedText(text, isTrusted);
    }

    internal static MarkedText Join(MarkedText left, MarkedText right, TemplateBudget budget)
    {
        if (left.Length == 0 || right.Length == 0)
            return left.Length == 0 ? right : left;
        budget.Text((long)left.Length + right.Length);
        return left.marks is null && right.marks is null && left.isTrusted == right.isTrusted
            ? new MarkedText(left.Text + right.Text, left.isTrusted)
            : Marked([left, right], left.Length + right.Length);
    }

    internal static MarkedText Join(List<MarkedText> parts, TemplateBudget budget)
    {
        if (parts.Count < 2)
            return parts.Count == 0 ? Empty : parts[0];
        var length = 0L;
        var (allTrusted, noneTrusted) = (true, true);
        foreach (var part in parts)
        {
            length += part.Length;
            allTrusted &= part.isTrusted || part.Length == 0;
            noneTrusted &= part.Length == 0 || (part.marks is null && !part.isTrusted);
        }
        budget.Items(parts.Count);
        budget.Text(length);
        if (!allTrusted && !noneTrusted)
            return Marked(parts, (int)length);
        return new MarkedText(Joined(parts, (int)length), allTrusted);
    }

    internal MarkedText Repeated(long count, TemplateBudget budget)
    {
        if (count <= 0 || Length == 0)
            return Empty;
        if (count == 1)
            return this;
        if (count > TemplateBudget.LongestText / Length)
            throw new TemplateException($"a text of {count} times {Length} characters is longer than the {TemplateBudget.LongestText} that are allowed.");
        budget.Text(count * Length);
        var text = string.Create((int)count * Length, Text, (span, pattern) => Fill<char>(span, pattern));
        if (marks is null)
            return new MarkedText(text, isTrusted);
        var all = new bool[text.Length];
        Fill<bool>(all, marks);
        return new MarkedText(text, all);
    }

    /// <summary>The joined parts cut where the origin changes, without a joined copy in between.</summary>
    internal static List<ChatTextRun> Runs(List<MarkedText> parts, TemplateBudget budget)
    {
        var runs = new List<ChatTextRun>();
        var (held, length) = (new List<MarkedText>(), 0);
        var origin = true;
        foreach (var part in parts)
        {
            for (var start = 0; start < part.Length;)
            {
                var end = part.EndOfOrigin(start);
                if (length > 0 && part.IsTrusted(start) != origin)
                    Close();
                if (length == 0)
                    budget.Memory(BytesOfARun);
                origin = part.IsTrusted(start);
                held.Add(start == 0 && end == part.Length ? part : new MarkedText(part.Text[start..end], origin));
                length += end - start;
                start = end;
            }
        }
        if (length > 0)
            Close();
        return runs;

        void Close()
        {
            runs.Add(new ChatTextRun(held.Count == 1 ? held[0].Text : Joined(held, length), origin));
            held.Clear();
            length = 0;
        }
    }

    private int EndOfOrigin(int start)
    {
        if (marks is null)
            return Length;
        var found = marks.AsSpan(start).IndexOf(!marks[start]);
        return found < 0 ? Length : start + found;
    }

    private static string Joined(List<MarkedText> parts, int length) => string.Create(length, parts, (span, all) =>
    {
        foreach (var part in all)
        {
            part.Text.CopyTo(span);
            span = span[part.Length..];
        }
    });

    private static MarkedText Marked(List<MarkedText> parts, int length)
    {
        var all = new bool[length];
        var place = 0;
        foreach (var part in parts)
        {
            if (part.marks is not null)
                part.marks.CopyTo(all, place);
            else
                all.AsSpan(place, part.Length).Fill(part.isTrusted);
            place += part.Length;
        }
        return new MarkedText(Joined(parts, length), all);
    }

    private static void Fill<T>(Span<T> target, ReadOnlySpan<T> pattern)
    {
        pattern.CopyTo(target);
        for (var done = pattern.Length; done < target.Length; done *= 2)
            target[..Math.Min(done, target.Length - done)].CopyTo(target[done..]);
    }

    private int[] Starts(TemplateBudget budget)
    {
        if (starts is not null)
            return starts;
        budget.Read(Length);
        if (!Text.AsSpan().ContainsAnyInRange('\ud800', '\udfff'))
            return starts = [];
        budget.Memory(4L * Length);
        var places = new List<int>(Length);
        for (var place = 0; place < Length; place += char.IsHighSurrogate(Text[place]) && place + 1 < Length && char.IsLowSurrogate(Text[place + 1]) ? 2 : 1)
            places.Add(place);
        return starts = [.. places];
    }
}
