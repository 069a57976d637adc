using System.Collections.Concurrent;
using System.Globalization;

namespace LmKit;

/// <summary>The named sets of characters that expressions use, as Oniguruma 6.9 has them.</summary>
/// <remarks>General categories are .NET's, which are of the same version of Unicode (16).</remarks>
internal static class CharacterClasses
{
    // Letters in circles and squares: signs by category, but Unicode calls them alphabetic.
    internal static CodePointSet Circled { get; } = CodePointSet.Of((0x24b6, 0x24e9), (0x1f130, 0x1f149), (0x1f150, 0x1f169), (0x1f170, 0x1f189));

    private static readonly ConcurrentDictionary<string, CodePointSet?> Known = new(StringComparer.Ordinal);

    private static readonly (string Name, string Short)[] Long =
    [
        ("letter", "l"), ("mark", "m"), ("number", "n"), ("punctuation", "p"), ("symbol", "s"), ("separator", "z"), ("other", "c"), ("uppercaseletter", "lu"), ("lowercaseletter", "ll"),
        ("titlecaseletter", "lt"), ("modifierletter", "lm"), ("otherletter", "lo"), ("nonspacingmark", "mn"), ("spacingmark", "mc"), ("enclosingmark", "me"), ("decimalnumber", "nd"), ("letternumber", "nl"),
        ("othernumber", "no"), ("connectorpunctuation", "pc"), ("dashpunctuation", "pd"), ("openpunctuation", "ps"), ("closepunctuation", "pe"), ("initialpunctuation", "pi"), ("finalpunctuation", "pf"),
        ("otherpunctuation", "po"), ("mathsymbol", "sm"), ("currencysymbol", "sc"), ("modifiersymbol", "sk"), ("othersymbol", "so"), ("spaceseparator", "zs"), ("lineseparator", "zl"),
        ("paragraphseparator", "zp"), ("control", "cc"), ("format", "cf"), ("surrogate", "cs"), ("privateuse", "co"), ("unassigned", "cn"),
    ];

    // By category.
    private static readonly Lazy<CodePointSet[]> Categories = new(() => CodePointSet.Kinds((int)UnicodeCategory.OtherNotAssigned + 1, value => (int)CharUnicodeInfo.GetUnicodeCategory(value)));

    // The two letters of each category, in the order of .NET's.
    private static readonly string[] Letters =
    [
        "lu", "ll", "lt", "lm", "lo", "mn", "mc", "me", "nd", "nl", "no", "zs", "zl", "zp", "cc", "cf", "cs", "co", "pc", "pd", "ps", "pe", "pi", "pf", "po", "sm", "sc", "sk", "so", "cn",
    ];

    /// <summary>The set of a category or of its first letter; null for an unknown name.</summary>
    internal static CodePointSet? Property(string name)
    {
        var plain = name.Replace("_", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
        return Known.GetOrAdd(plain, static key => Make(key));
    }

    /// <summary>The set of a letter behind a backslash; null for none.</summary>
    internal static CodePointSet? Short(char letter)
    {
        var set = char.ToLowerInvariant(letter) switch
        {
            's' => Property("white"),
            'd' => Property("nd"),
            'w' => Property("word"),
            'h' => Property("hexdigit"),
            _ => null,
        };
        return char.IsUpper(letter) ? set?.Not() : set;
    }

    /// <summary>The set of a name between colons in a bracket; null for an unknown one.</summary>
    internal static CodePointSet? Posix(string name) => name switch
    {
        "digit" => Property("nd"),
        "space" => Property("white"),
        "cntrl" => Property("cc"),
        "xdigit" => Property("hexdigit"),
        "blank" => Property("blank"),
        "word" => Property("posixword"),
        "punct" => Property("posixpunct"),
        "ascii" or "alpha" or "alnum" or "upper" or "lower" or "graph" or "print" => Property(name),
        _ => null,
    };

    private static CodePointSet? Make(string name)
    {
        var key = Array.Find(Long, pair => pair.Name == name).Short ?? name;
        switch (key)
        {
            case "any":
                return CodePointSet.All;
            case "ascii":
                return CodePointSet.Of((0, 127));
            case "white":
            case "whitespace":
            case "space":
                return CodePointSet.Of((9, 13), (32, 32), (0x85, 0x85), (0xa0, 0xa0), (0x1680, 0x1680), (0x2000, 0x200a), (0x2028, 0x2029), (0x202f, 0x202f), (0x205f, 0x205f), (0x3000, 0x3000));
            case "hexdigit":
            case "xdigit":
                return CodePointSet.Of(('0', '9'), ('a', 'f'), ('A', 'F'));
            case "blank":
                return Property("zs")!.Or(CodePointSet.Of(('\t', '\t')));
            case "digit":
                return Property("nd");
            case "cntrl":
                return Property("cc");
            case "alpha":
            case "alphabetic":
                return LetterClasses.IsAlphabetic();
            case "alnum":
                return Property("alpha")!.Or(Property("nd")!);
            case "upper":
            case "uppercase":
                return LetterClasses.IsLarge();
            case "lower":
            case "lowercase":
                return LetterClasses.IsSmall();
            case "graph":
                return Property("c")!.And(Property("cf")!.Or(Property("co")!).Not()).Or(Property("z")!).Not();
            case "print":
                return Property("graph")!.Or(Property("zs")!);
            case "punct":
                return Property("p");
            case "posixpunct": // with symbols, unlike \p{Punct}
                return Property("p")!.Or(Property("s")!);
            case "posixword":
                return Property("l")!.Or(Property("m")!).Or(Property("nd")!).Or(Property("nl")!).Or(Property("pc")!).Or(Circled);
            case "word": // with the raised digits and fractions of Latin-1, unlike [[:word:]]
                return Property("posixword")!.Or(CodePointSet.Of((0xb2, 0xb3), (0xb9, 0xb9), (0xbc, 0xbe)));
            case "rustword": // of the other expressions that Hugging Face's library uses
                return Property("posixword")!.Or(CodePointSet.Of((0x200c, 0x200d)));
            case "l":
            case "m":
            case "n":
            case "p":
            case "s":
            case "z":
            case "c":
                return Letters.Where(letters => letters[0] == key[0]).Aggregate(CodePointSet.Empty, (all, letters) => all.Or(Property(letters)!));
            case "lc":
            case "l&":
                return Property("lu")!.Or(Property("ll")!).Or(Property("lt")!);
            default:
                return Array.IndexOf(Letters, key) is var category and >= 0 ? Categories.Value[category] : ScriptTable.Set(key);
        }
    }
}
