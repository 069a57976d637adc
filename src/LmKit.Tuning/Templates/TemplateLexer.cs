using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Cuts a template into tokens, with white-space control, trim_blocks and lstrip_blocks as chat templates expect them.</summary>
internal sealed class TemplateLexer
{
    private static readonly string[] Operators = ["**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|"];

    private readonly string source;
    private readonly List<TemplateToken> tokens = [];
    private int place;
    private bool stripsNext; // the delimiter before ended in -
    private bool trimsNewline; // the delimiter before was a block's or a comment's

    private TemplateLexer(string source) => this.source = source;

    internal static IReadOnlyList<TemplateToken> Read(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal);
        var lexer = new TemplateLexer(source.EndsWith('\n') ? source[..^1] : source);
        lexer.Run();
        return lexer.tokens;
    }

    private int Line => source.AsSpan(0, Math.Min(place, source.Length)).Count('\n') + 1;

    private void Run()
    {
        while (place < source.Length)
        {
            var start = NextDelimiter(place);
            Data(start);
            if (start == source.Length)
                break;
            place = start + 2;
            var kind = source[start + 1];
            if (Peek() is '-' or '+')
                place++;
            if (kind == '#')
                Comment();
            else if (kind == '{')
                Expression("}}", TemplateTokenKind.OutputStart, TemplateTokenKind.OutputEnd);
            else if (IsRaw(out var after))
                Raw(after);
            else
                Expression("%}", TemplateTokenKind.BlockStart, TemplateTokenKind.BlockEnd);
        }
        Add(TemplateTokenKind.End, "");
    }

    private char Peek(int ahead = 0) => place + ahead < source.Length ? source[place + ahead] : '\0';

    private void Add(TemplateTokenKind kind, string text) => tokens.Add(new TemplateToken(kind, text, Line));

    private int NextDelimiter(int from)
    {
        for (var start = from; start + 1 < source.Length; start++)
        {
            if (source[start] == '{' && source[start + 1] is '{' or '%' or '#')
                return start;
        }
        return source.Length;
    }

    // Text up to a delimiter, with the white space that the delimiters on both sides take away.
    private void Data(int end)
    {
        var text = source[place..end];
        if (stripsNext)
            text = text.TrimStart();
        else if (trimsNewline && text.StartsWith('\n'))
            text = text[1..];
        if (end < source.Length)
            text = TakenBy(text, end);
        if (text.Length > 0)
            Add(TemplateTokenKind.Data, text);
        place = end;
        (stripsNext, trimsNewline) = (false, false);
    }

    private string TakenBy(string text, int delimiter)
    {
        var mark = delimiter + 2 < source.Length ? source[delimiter + 2] : '\0';
        if (mark == '-')
            return text.TrimEnd();
        if (mark == '+' || source[delimiter + 1] == '{')
            return text;
        var lineStart = source.LastIndexOf('\n', Math.Max(0, delimiter - 1), Math.Max(0, delimiter)) + 1;
        return source.AsSpan(lineStart, delimiter - lineStart).IsWhiteSpace() ? text[..Math.Max(0, text.Length - (delimiter - lineStart))] : text;
    }

    private void Comment()
    {
        var end = source.IndexOf("#}", place, StringComparison.Ordinal);
        if (end < 0)
            throw new TemplateException($"line {Line}: a comment has no end.");
        Close(end, "#}");
    }

    private void Close(int end, string delimiter)
    {
        var mark = end > 0 ? source[end - 1] : '\0';
        stripsNext = mark == '-';
        trimsNewline = delimiter != "}}" && mark != '+';
        place = end + 2;
    }

    private bool IsRaw(out int after)
    {
        after = 0;
        var end = source.IndexOf("%}", place, StringComparison.Ordinal);
        if (end < 0 || source[place..end].Trim().TrimEnd('-', '+').Trim() != "raw")
            return false;
        after = end;
        return true;
    }

    private void Raw(int end)
    {
        Close(end, "%}");
        for (var start = place; (start = source.IndexOf("{%", start, StringComparison.Ordinal)) >= 0; start += 2)
        {
            var close = source.IndexOf("%}", start, StringComparison.Ordinal);
            if (close < 0 || source[(start + 2)..close].Trim('-', '+', ' ', '\n', '\t') != "endraw")
                continue;
            Data(start);
            Close(close, "%}");
            return;
        }
        throw new TemplateException($"line {Line}: raw has no endraw.");
    }

    private void Expression(string close, TemplateTokenKind first, TemplateTokenKind last)
    {
        Add(first, "");
        var braces = 0;
        while (true)
        {
            while (char.IsWhiteSpace(Peek()))
                place++;
            if (place >= source.Length)
                throw new TemplateException($"line {Line}: {(close == "}}" ? "an output" : "a block")} has no end.");
            var marked = Peek() is '-' or '+' && Peek(1) == close[0] && Peek(2) == close[1];
            if (braces == 0 && (marked || (Peek() == close[0] && Peek(1) == close[1])))
            {
                Close(marked ? place + 1 : place, close);
                // A plain delimiter right after a sign of arithmetic was no control mark.
                if (!marked)
                    (stripsNext, trimsNewline) = (false, close != "}}");
                Add(last, "");
                return;
            }
            braces += Peek() switch { '{' or '(' or '[' => 1, '}' or ')' or ']' => -1, _ => 0 };
            One();
        }
    }

    private void One()
    {
        var letter = Peek();
        if (letter is '\'' or '"')
        {
            Text(letter);
        }
        else if (char.IsAsciiDigit(letter))
        {
            Number();
        }
        else if (char.IsLetter(letter) || letter == '_')
        {
            var start = place;
            while (char.IsLetterOrDigit(Peek()) || Peek() == '_')
                place++;
            Add(TemplateTokenKind.Name, source[start..place]);
        }
        else
        {
            var found = Array.Find(Operators, text => string.CompareOrdinal(source, place, text, 0, text.Length) == 0)
                ?? throw new TemplateException($"line {Line}: '{letter}' has no meaning here.");
            place += found.Length;
            Add(TemplateTokenKind.Operator, found);
        }
    }

    private void Number()
    {
        var start = place;
        while (char.IsAsciiDigit(Peek()) || Peek() == '_')
            place++;
        var isFloat = Peek() == '.' && char.IsAsciiDigit(Peek(1));
        if (isFloat)
        {
            place++;
            while (char.IsAsciiDigit(Peek()))
                place++;
        }
        Add(isFloat ? TemplateTokenKind.Float : TemplateTokenKind.Integer, source[start..place].Replace("_", "", StringComparison.Ordinal));
    }

    private void Text(char quote)
    {
        var text = new StringBuilder();
        for (place++; Peek() != quote; place++)
        {
            if (place >= source.Length)
                throw new TemplateException($"line {Line}: a string has no end.");
            if (Peek() != '\\')
            {
                _ = text.Append(Peek());
                continue;
            }
            place++;
            _ = Peek() switch
            {
                'n' => text.Append('\n'),
                't' => text.Append('\t'),
                'r' => text.Append('\r'),
                'u' or 'x' => text.Append(Escape(Peek() == 'u' ? 4 : 2)),
                '\'' or '"' or '\\' => text.Append(Peek()),
                var other => text.Append('\\').Append(other),
            };
        }
        place++;
        Add(TemplateTokenKind.String, text.ToString());
    }

    private char Escape(int digits)
    {
        if (place + digits >= source.Length || !ushort.TryParse(source.AsSpan(place + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code))
            throw new TemplateException($"line {Line}: an escape needs {digits} hexadecimal digits.");
        place += digits;
        return (char)code;
    }
}
