namespace LmKit;

/// <summary>Cuts a template into tokens, with white-space control, trim_blocks and lstrip_blocks as chat templates expect them.</summary>
/// <remarks>Tokens are made as the parser asks for them, each character is read a fixed number of times, and lines are counted on the
/// way, so that a template costs time and memory in proportion to its length whatever it holds.</remarks>
internal sealed partial class TemplateLexer
{
    private readonly string source;
    private int place;
    private int line = 1;
    private int counted; // the characters whose lines are counted
    private bool isAtLineStart = true; // what was taken before ended a line
    private bool stripsNext; // the delimiter before ended in -
    private bool trimsNewline; // the delimiter before was a block's or a comment's

    private TemplateLexer(string source) => this.source = source;

    internal static IEnumerable<TemplateToken> Read(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return new TemplateLexer(source.EndsWith('\n') ? source[..^1] : source).Tokens();
    }

    private int Line
    {
        get
        {
            var to = Math.Min(place, source.Length);
            if (to > counted)
            {
                line += source.AsSpan(counted, to - counted).Count('\n');
                counted = to;
            }
            return line;
        }
    }

    private IEnumerable<TemplateToken> Tokens()
    {
        while (place < source.Length)
        {
            var start = NextDelimiter(place);
            if (Data(start) is { Length: > 0 } text)
                yield return Token(TemplateTokenKind.Data, text);
            place = start;
            if (start == source.Length)
                break;
            place = start + 2;
            if (source[start + 1] == '#')
            {
                Comment();
                continue;
            }
            if (source[start + 1] == '%' && RawStart() is { } after)
            {
                place = after;
                if (Raw() is { Length: > 0 } raw)
                    yield return Token(TemplateTokenKind.Data, raw);
                continue;
            }
            if (Peek() is '-' or '+')
                place++;
            var isOutput = source[start + 1] == '{';
            foreach (var token in Expression(isOutput))
                yield return token;
        }
        yield return Token(TemplateTokenKind.End, "");
    }

    private char Peek(int ahead = 0) => place + ahead < source.Length ? source[place + ahead] : '\0';

    private TemplateToken Token(TemplateTokenKind kind, string text) => new(kind, text, Line);

    private TemplateException Fault(string problem) => new($"line {Line}: {problem}");

    private int NextDelimiter(int from)
    {
        for (var start = from; (start = source.IndexOf('{', start)) >= 0 && start + 1 < source.Length; start++)
        {
            if (source[start + 1] is '{' or '%' or '#')
                return start;
        }
        return source.Length;
    }

    // Text up to a delimiter, with the white space that the delimiters on both sides take away.
    private string Data(int end)
    {
        var start = place;
        if (stripsNext)
        {
            while (start < end && MarkedText.IsBlank(source[start]))
                start++;
        }
        else if (trimsNewline && start < end && source[start] == '\n')
        {
            start++;
        }
        isAtLineStart = start == 0 || source[start - 1] == '\n';
        (stripsNext, trimsNewline) = (false, false);
        return source[start..(end < source.Length ? Math.Max(start, TakenBy(start, end)) : end)];
    }

    // Where the text before a delimiter ends.
    private int TakenBy(int start, int delimiter)
    {
        var mark = delimiter + 2 < source.Length ? source[delimiter + 2] : '\0';
        var end = delimiter;
        if (mark != '-' && (mark == '+' || source[delimiter + 1] == '{'))
            return end;
        while (end > start && MarkedText.IsBlank(source[end - 1]) && (mark == '-' || source[end - 1] != '\n'))
            end--;
        var reachesLineStart = end == start ? isAtLineStart : source[end - 1] == '\n';
        return mark == '-' || reachesLineStart ? end : delimiter;
    }

    private void Comment()
    {
        place += Peek() is '-' or '+' ? 1 : 0;
        var end = source.IndexOf("#}", place, StringComparison.Ordinal);
        if (end < 0)
            throw Fault("a comment has no end.");
        Close(end, end > place ? source[end - 1] : '\0', isOutput: false);
    }

    private void Close(int end, char mark, bool isOutput)
    {
        stripsNext = mark == '-';
        trimsNewline = !isOutput && mark != '+';
        place = end + 2;
    }

    // Where a tag of one word ends, if the text at a place is that tag without its {%.
    private int? Tag(int at, string name, out char first, out char last)
    {
        first = at < source.Length && source[at] is '-' or '+' ? source[at++] : '\0';
        last = '\0';
        at = AfterBlanks(at);
        if (string.CompareOrdinal(source, at, name, 0, name.Length) != 0)
            return null;
        at = AfterBlanks(at + name.Length);
        last = at < source.Length && source[at] is '-' or '+' ? source[at++] : '\0';
        return string.CompareOrdinal(source, at, "%}", 0, 2) == 0 ? at : null;
    }

    private int AfterBlanks(int at)
    {
        while (at < source.Length && MarkedText.IsBlank(source[at]))
            at++;
        return at;
    }

    private int? RawStart()
    {
        if (Tag(place, "raw", out _, out var last) is not { } end || last == '+')
            return null;
        stripsNext = last == '-';
        return end + 2;
    }

    private string Raw()
    {
        for (var start = place; (start = source.IndexOf("{%", start, StringComparison.Ordinal)) >= 0; start += 2)
        {
            if (Tag(start + 2, "endraw", out _, out var last) is not { } end)
                continue;
            var text = Data(start);
            Close(end, last, isOutput: false);
            return text;
        }
        throw Fault("raw has no endraw.");
    }

    private IEnumerable<TemplateToken> Expression(bool isOutput)
    {
        var close = isOutput ? '}' : '%';
        yield return Token(isOutput ? TemplateTokenKind.OutputStart : TemplateTokenKind.BlockStart, "");
        var open = new Stack<char>();
        while (true)
        {
            place = AfterBlanks(place);
            if (place >= source.Length)
                throw Fault($"{(isOutput ? "an output" : "a block")} has no end.");
            var isMarked = Peek() == '-' || (Peek() == '+' && !isOutput);
            var at = isMarked ? 1 : 0;
            if (open.Count == 0 && Peek(at) == close && Peek(at + 1) == '}')
            {
                Close(place + at, isMarked ? Peek() : '\0', isOutput);
                yield return Token(isOutput ? TemplateTokenKind.OutputEnd : TemplateTokenKind.BlockEnd, "");
                yield break;
            }
            if (Peek() is '{' or '(' or '[')
                open.Push(Peek() switch { '{' => '}', '(' => ')', _ => ']' });
            else if (Peek() is '}' or ')' or ']' && (open.Count == 0 || open.Pop() != Peek()))
                throw Fault($"'{Peek()}' closes nothing here.");
            yield return One();
        }
    }
}
