using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>How <c>tojson</c> writes, as Python's <c>json.dumps</c> is told.</summary>
internal sealed class TemplateJsonOptions
{
    private const int WidestMargin = 1_000;

    private readonly string? indent;
    private readonly bool isAscii;

    internal TemplateJsonOptions(TemplateCall call)
    {
        call.Takes(0, "ensure_ascii", "indent", "separators", "sort_keys");
        isAscii = TemplateValues.IsTrue(call.Get(0, "ensure_ascii", false));
        indent = call.Get(1, "indent") switch
        {
            null => null,
            MarkedText text => text.Text,
            var width => new string(' ', (int)Math.Clamp(TemplateNumbers.Whole(width), 0, WidestMargin + 1)),
        };
        if (indent?.Length > WidestMargin)
            throw new TemplateException($"tojson indents by {WidestMargin} characters at most.");
        (Between, AfterKey) = (indent is null ? ", " : ",", ": ");
        if (call.Get(2, "separators") is { } separators)
        {
            (Between, AfterKey) = separators is TemplateList { Count: 2 } pair && pair.Items[0] is MarkedText between && pair.Items[1] is MarkedText after
                ? (between.Text, after.Text)
                : throw new TemplateException("the separators of tojson are a pair of texts.");
        }
        SortsKeys = TemplateValues.IsTrue(call.Get(3, "sort_keys", false));
    }

    internal string Between { get; }

    internal string AfterKey { get; }

    internal bool SortsKeys { get; }

    internal string Margin(int level)
    {
        if (indent is null)
            return "";
        var text = new StringBuilder("\n", 1 + (indent.Length * level));
        for (; level > 0; level--)
            _ = text.Append(indent);
        return text.ToString();
    }

    internal string Quoted(string text)
    {
        var json = new StringBuilder(text.Length + 2).Append('"');
        foreach (var letter in text)
        {
            _ = letter switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                < ' ' => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                > '~' when isAscii => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)letter:x4}"),
                _ => json.Append(letter),
            };
        }
        return json.Append('"').ToString();
    }
}
