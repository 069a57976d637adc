namespace LmKit;

/// <summary>What a normalizer replaces or a pre-tokenizer splits at: a text or an expression.</summary>
internal sealed class TextMatcher
{
    private readonly TextPattern? pattern;

    private TextMatcher(string? literal, TextPattern? pattern) => (Literal, this.pattern) = (literal, pattern);

    /// <summary>The text, or null for an expression.</summary>
    internal string? Literal { get; }

    internal static TextMatcher OfText(string text) => text.Length == 0 ? OfPattern("") : new(text, null);

    internal static TextMatcher OfPattern(string expression) => new(null, new TextPattern(expression));

    /// <summary>Adds all matches in order.</summary>
    internal void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches)
    {
        if (pattern is not null)
        {
            pattern.Find(text, matches);
            return;
        }
        for (var from = 0; ;)
        {
            var found = text[from..].IndexOf(Literal, StringComparison.Ordinal);
            if (found < 0)
                return;
            matches.Add((from + found, from + found + Literal!.Length));
            from += found + Literal.Length;
        }
    }
}
