using System.Text;

namespace LmKit;

/// <summary>Puts a text for each match.</summary>
internal sealed class ReplaceNormalizer(TextMatcher matcher, string content) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt)
    {
        if (text.Length == 0)
            return text;
        if (matcher.Literal is { Length: > 0 } literal)
        {
            if (text.StartsWith(literal, StringComparison.Ordinal))
                startsAt += content.Length == 0 ? literal.Length : literal.Length - LastWidth(literal);
            CheckGrowth(content.Length > literal.Length ? text.Length + ((long)text.AsSpan().Count(literal) * (content.Length - literal.Length)) : text.Length, text.Length, StepGrowth);
            return text.Replace(literal, content, StringComparison.Ordinal);
        }
        var matches = new List<(int Start, int End)>();
        matcher.Find(text, matches);
        if (matches.Count == 0)
            return text;
        CheckGrowth(text.Length + ((long)matches.Count * content.Length), text.Length, StepGrowth);
        var made = new StringBuilder(text.Length);
        var from = 0;
        foreach (var (start, end) in matches)
        {
            _ = made.Append(text, from, start - from);
            if (made.Length == 0 && end > start)
                startsAt += content.Length == 0 ? end - start : end - start - LastWidth(text.AsSpan(0, end));
            _ = made.Append(content);
            from = end;
        }
        return made.Append(text, from, text.Length - from).ToString();
    }

    // What stands for a match has the place of the match's last character.
    private static int LastWidth(ReadOnlySpan<char> text)
    {
        _ = CodePointSet.Before(text, text.Length, out var length);
        return length;
    }
}
