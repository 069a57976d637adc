using System.Globalization;

namespace LmKit;

/// <summary>Reads an expression as Oniguruma's Ruby syntax has it: <c>^</c> and <c>$</c> are ends of lines, <c>(?m)</c> lets a dot match them.</summary>
/// <remarks>What cannot be computed here is refused by name: references to groups, conditions, absent parts, lookbehind of no fixed length.</remarks>
internal ref struct PatternParser(string pattern)
{
    private const int MostRepeats = 1000;
    private const int Deepest = 100;

    private readonly string pattern = pattern;
    private int place;
    private int depth;
    private bool ignoresCase;
    private bool dotTakesAll;
    private bool isExtended;

    internal static PatternNode Parse(string pattern)
    {
        var parser = new PatternParser(pattern);
        var node = parser.Alternatives();
        return parser.place == pattern.Length ? node : throw parser.Fault("has a closing parenthesis too many");
    }

    private readonly bool IsAtEnd => place >= pattern.Length;

    private readonly FormatException Fault(string what) => new($"the expression '{Shown(pattern)}' {what} at character {place}");

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "...";

    private readonly bool Sees(string text) => string.CompareOrdinal(pattern, place, text, 0, text.Length) == 0;

    private bool Takes(string text)
    {
        if (!Sees(text))
            return false;
        place += text.Length;
        return true;
    }

    private PatternNode Alternatives((bool Case, bool Dot, bool Extended)? before = null)
    {
        if (++depth > Deepest)
            throw Fault("is nested too deeply");
        var (caseBefore, dotBefore, extendedBefore) = before ?? (ignoresCase, dotTakesAll, isExtended);
        var parts = new List<PatternNode>();
        do
        {
            parts.Add(Sequence());
        }
        while (Takes("|"));
        (ignoresCase, dotTakesAll, isExtended) = (caseBefore, dotBefore, extendedBefore);
        depth--;
        return parts.Count == 1 ? parts[0] : new PatternNode.Either(parts);
    }

    private PatternNode Sequence()
    {
        var parts = new List<PatternNode>();
        while (!IsAtEnd && pattern[place] is not ('|' or ')'))
        {
            if (isExtended && SkipsBlank())
                continue;
            if (Atom() is not { } atom)
                continue;
            parts.Add(Repeated(atom));
        }
        return parts.Count == 1 ? parts[0] : new PatternNode.Row(parts);
    }

    private bool SkipsBlank()
    {
        if (pattern[place] == '#')
        {
            var end = pattern.IndexOf('\n', place);
            place = end < 0 ? pattern.Length : end + 1;
            return true;
        }
        if (pattern[place] is not (' ' or '\t' or '\r' or '\n' or '\v' or '\f'))
            return false;
        place++;
        return true;
    }

    private PatternNode Repeated(PatternNode part)
    {
        while (!IsAtEnd)
        {
            var start = place;
            int least, most;
            var isInterval = false;
            if (Takes("*"))
            {
                (least, most) = (0, -1);
            }
            else if (Takes("+"))
            {
                (least, most) = (1, -1);
            }
            else if (Takes("?"))
            {
                (least, most) = (0, 1);
            }
            else if (Sees("{") && Interval(out least, out most))
            {
                isInterval = true;
            }
            else
            {
                place = start;
                return part;
            }
            if (part is PatternNode.Place or PatternNode.Look)
                throw Fault("repeats what takes no character");
            if (least > MostRepeats || most > MostRepeats)
                throw Fault($"repeats more than {MostRepeats} times");
            if (isInterval && least == most && Takes("?"))
            {
                (least, part) = (0, new PatternNode.Repeat(part, least, most, false)); // Ruby: a fixed number, or none
                most = 1;
                part = new PatternNode.Repeat(part, least, most, false);
                continue;
            }
            var isLazy = Takes("?");
            part = new PatternNode.Repeat(part, least, most, isLazy);
            if (!isInterval && !isLazy && Takes("+"))
                part = new PatternNode.Atomic(part);
        }
        return part;
    }

    private bool Interval(out int least, out int most)
    {
        (least, most) = (0, -1);
        var end = pattern.IndexOf('}', place);
        if (end < 0)
            return false;
        var inner = pattern[(place + 1)..end];
        var comma = inner.IndexOf(',', StringComparison.Ordinal);
        var low = comma < 0 ? inner : inner[..comma];
        var high = comma < 0 ? inner : inner[(comma + 1)..];
        var isNumber = (low.Length == 0 || int.TryParse(low, NumberStyles.None, CultureInfo.InvariantCulture, out least))
            & (high.Length == 0 || int.TryParse(high, NumberStyles.None, CultureInfo.InvariantCulture, out most));
        if (!isNumber || low.Length + high.Length == 0)
            return false; // ordinary characters
        if (most >= 0 && most < least)
            throw Fault("repeats from a larger number to a smaller");
        place = end + 1;
        return true;
    }

    private PatternNode? Atom()
    {
        var character = pattern[place];
        switch (character)
        {
            case '(':
                return Group();
            case '[':
                place++;
                var reader = new PatternClassReader(pattern, place, ignoresCase);
                var set = reader.Read();
                place = reader.Place;
                return new PatternNode.One(set);
            case '.':
                place++;
                return new PatternNode.One(dotTakesAll ? CodePointSet.All : CodePointSet.Of(('\n', '\n')).Not());
            case '^':
                place++;
                return new PatternNode.Place(PatternPlace.LineStart);
            case '$':
                place++;
                return new PatternNode.Place(PatternPlace.LineEnd);
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Fault("repeats nothing");
            default:
                return Literal(CodePointSet.At(pattern, place, out var length), length);
        }
    }

    private PatternNode.One Literal(int value, int length)
    {
        place += length;
        return new PatternNode.One(ignoresCase ? CharacterCases.Closed(CodePointSet.Of((value, value))) : CodePointSet.Of((value, value)));
    }

    private PatternNode Escape()
    {
        if (place + 1 >= pattern.Length)
            throw Fault("ends in a backslash");
        PatternPlace? kind = pattern[place + 1] switch
        {
            'A' => PatternPlace.TextStart,
            'z' => PatternPlace.TextEnd,
            'Z' => PatternPlace.TextEndOrLastLine,
            'b' => PatternPlace.WordBorder,
            'B' => PatternPlace.NoWordBorder,
            _ => null,
        };
        if (kind is { } found)
        {
            place += 2;
            return new PatternNode.Place(found);
        }
        if (pattern[place + 1] == 'R')
        {
            place += 2;
            return new PatternNode.Atomic(new PatternNode.Either([Text("\r\n"), new PatternNode.One(CodePointSet.Of(('\n', '\r'), ('\u0085', '\u0085'), ('\u2028', '\u2029')))]));
        }
        if (pattern[place + 1] is 'N' or 'O')
        {
            place += 2;
            return new PatternNode.One(pattern[place - 1] == 'O' ? CodePointSet.All : CodePointSet.Of(('\n', '\n')).Not());
        }
        if (pattern[place + 1] is 'k' or 'g' or 'G' or 'K' or 'X' or 'y' or 'Y' or (>= '1' and <= '9'))
            throw Fault($"uses \\{pattern[place + 1]}, which is not supported");
        var reader = new PatternClassReader(pattern, place, ignoresCase);
        var set = reader.ReadEscape();
        place = reader.Place;
        return new PatternNode.One(set);
    }

    private static PatternNode.Row Text(string text) => new([.. text.Select(character => new PatternNode.One(CodePointSet.Of((character, character))))]);

    private PatternNode? Group()
    {
        if (Takes("(?#"))
        {
            var end = pattern.IndexOf(')', place);
            place = end < 0 ? throw Fault("has a comment without end") : end + 1;
            return null;
        }
        if (Takes("(?:"))
            return Closed(Alternatives());
        if (Takes("(?>"))
            return new PatternNode.Atomic(Closed(Alternatives()));
        foreach (var (start, isBehind, isNot) in new[] { ("(?=", false, false), ("(?!", false, true), ("(?<=", true, false), ("(?<!", true, true) })
        {
            if (Takes(start))
                return Looked(Closed(Alternatives()), isBehind, isNot);
        }
        if (Takes("(?<"))
        {
            var end = pattern.IndexOf('>', place);
            place = end < 0 ? throw Fault("has a group's name without end") : end + 1;
            return Closed(Alternatives());
        }
        if (Takes("(?"))
            return Options();
        place++;
        return Closed(Alternatives());
    }

    private PatternNode.Look Looked(PatternNode part, bool isBehind, bool isNot)
    {
        var parts = part is PatternNode.Either either ? either.Parts : [part];
        return !isBehind || parts.All(one => PatternNode.Length(one) is not null)
            ? new PatternNode.Look(part, isBehind, isNot)
            : throw Fault("looks behind for a text of no fixed length, which is not supported");
    }

    private PatternNode? Options()
    {
        var before = (ignoresCase, dotTakesAll, isExtended);
        var isOn = true;
        for (; !IsAtEnd && pattern[place] is not (')' or ':'); place++)
        {
            switch (pattern[place])
            {
                case '-':
                    isOn = false;
                    break;
                case 'i':
                    ignoresCase = isOn;
                    break;
                case 'm':
                    dotTakesAll = isOn;
                    break;
                case 'x':
                    isExtended = isOn;
                    break;
                default:
                    throw Fault($"uses (?{pattern[place]}, which is not supported");
            }
        }
        if (IsAtEnd)
            throw Fault("has a group without end");
        if (Takes(")"))
            return Alternatives(before); // a(?i)b|c is a(?i:b|c)
        place++;
        return Closed(Alternatives(before));
    }

    private PatternNode Closed(PatternNode node) => Takes(")") ? node : throw Fault("has a group without end");
}
