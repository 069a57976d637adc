using System.Globalization;

namespace LmKit;

/// <summary>Reads a bracket or an escape of an expression as a set of characters.</summary>
internal ref struct PatternClassReader(string pattern, int place, bool ignoresCase)
{
    private const int Deepest = 50;

    private readonly string pattern = pattern;
    private readonly bool ignoresCase = ignoresCase;
    private int depth;

    internal int Place { get; private set; } = place;

    /// <summary>Reads what follows an opening bracket, the closing one included.</summary>
    internal CodePointSet Read() => Bracket();

    /// <summary>Reads a backslash and what it makes of the next characters.</summary>
    /// <remarks>A class outside a bracket is what it is where case is ignored too.</remarks>
    internal CodePointSet ReadEscape()
    {
        if (Escaped(out var single) is { } set)
            return set;
        set = CodePointSet.Of((single, single));
        return ignoresCase ? CharacterCases.Closed(set) : set;
    }

    private readonly FormatException Fault(string what) => new($"the expression '{pattern[..Math.Min(pattern.Length, 80)]}' {what} at character {Place}");

    private bool Takes(string text)
    {
        if (string.CompareOrdinal(pattern, Place, text, 0, text.Length) != 0)
            return false;
        Place += text.Length;
        return true;
    }

    private CodePointSet Bracket()
    {
        if (++depth > Deepest)
            throw Fault("is nested too deeply");
        var isNot = Takes("^");
        CodePointSet? all = null;
        var set = CodePointSet.Empty;
        var ranges = new List<(int, int)>();
        for (var isFirst = true; ; isFirst = false)
        {
            if (Place >= pattern.Length)
                throw Fault("has a bracket without end");
            if (!isFirst && Takes("]"))
                break;
            if (Takes("&&"))
            {
                set = set.Or(CodePointSet.Of([.. ranges]));
                all = all?.And(set) ?? set;
                (set, ranges) = (CodePointSet.Empty, []);
            }
            else if (pattern[Place] == '[' && !pattern.AsSpan(Place).StartsWith("[:"))
            {
                Place++;
                set = set.Or(Bracket());
            }
            else if (Item(out var first) is { } whole)
            {
                set = set.Or(whole);
            }
            else if (Place + 1 < pattern.Length && pattern[Place] == '-' && pattern[Place + 1] != ']')
            {
                Place++;
                if (Item(out var last) is not null)
                    throw Fault("has a range that ends in a class");
                ranges.Add(first <= last ? (first, last) : throw Fault("has a range that ends before it begins"));
            }
            else
            {
                ranges.Add((first, first));
            }
        }
        depth--;
        set = set.Or(CodePointSet.Of([.. ranges]));
        set = all?.And(set) ?? set;
        if (ignoresCase && depth == 0)
            set = CharacterCases.Closed(set); // of what stands in it, before the outermost bracket is turned around
        return isNot ? set.Not() : set;
    }

    private CodePointSet? Item(out int single)
    {
        if (pattern[Place] == '\\')
            return Escaped(out single);
        single = 0;
        if (pattern.AsSpan(Place).StartsWith("[:"))
        {
            var end = pattern.IndexOf(":]", Place, StringComparison.Ordinal);
            if (end >= 0)
            {
                var name = pattern[(Place + 2)..end];
                Place = end + 2;
                return (name.StartsWith('^') ? CharacterClasses.Posix(name[1..])?.Not() : CharacterClasses.Posix(name)) ?? throw Fault($"uses [:{name}:], which is not supported");
            }
        }
        single = CodePointSet.At(pattern, Place, out var length);
        Place += length;
        return null;
    }

    private CodePointSet? Escaped(out int single)
    {
        if (Place + 1 >= pattern.Length)
            throw Fault("ends in a backslash");
        single = CodePointSet.At(pattern, Place + 1, out var length);
        Place += 1 + length;
        switch (single)
        {
            case 'p' or 'P':
                return Property(single == 'P');
            case 'x':
                single = Hexadecimal(2);
                return null;
            case 'u':
                single = Hexadecimal(4, exactly: true);
                return null;
            case '0':
                single = 0;
                return null;
            default:
                if (depth > 0 && single is ('w' or 'W'))
                    return single == 'w' ? CharacterClasses.Property("posixword") : CharacterClasses.Property("posixword")!.Not(); // without the raised digits that \w has outside a bracket
                if (single < 128 && CharacterClasses.Short((char)single) is { } set)
                    return set;
                single = single switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'f' => '\f', 'v' => '\v', 'a' => '\a', 'e' => '\u001b', _ => single };
                return single is (>= 'A' and <= 'Z') or (>= 'a' and <= 'z') or (>= '1' and <= '9')
                    ? throw Fault($"uses \\{(char)single}, which is not supported")
                    : null;
        }
    }

    private CodePointSet Property(bool isNot)
    {
        if (!Takes("{"))
            throw Fault("has \\p without a name in braces");
        isNot ^= Takes("^");
        var end = pattern.IndexOf('}', Place);
        if (end < 0)
            throw Fault("has \\p without a closing brace");
        var name = pattern[Place..end];
        Place = end + 1;
        var set = CharacterClasses.Property(name) ?? throw Fault($"uses \\p{{{name}}}, which is not supported; known are general categories and scripts");
        return isNot ? set.Not() : set;
    }

    private int Hexadecimal(int digits, bool exactly = false)
    {
        var isBraced = Takes("{");
        var start = Place;
        while (Place < pattern.Length && char.IsAsciiHexDigit(pattern[Place]) && (isBraced || Place - start < digits))
            Place++;
        if (Place == start || Place - start > 6 || (exactly && !isBraced && Place - start != digits))
            throw Fault("has a character's number that is none");
        var value = int.Parse(pattern.AsSpan(start, Place - start), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        if (isBraced && !Takes("}"))
            throw Fault("has a character's number without a closing brace");
        return value < CodePointSet.Limit ? value : throw Fault("has a character's number above 10FFFF");
    }
}
