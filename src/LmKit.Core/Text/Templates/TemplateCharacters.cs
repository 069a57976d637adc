using System.Buffers;
using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Characters as Python's strings know them: code points, of which half a surrogate pair is one too.</summary>
internal static class TemplateCharacters
{
    internal static IEnumerable<int> Of(string text)
    {
        for (var place = 0; place < text.Length; place++)
        {
            var isPair = char.IsHighSurrogate(text[place]) && place + 1 < text.Length && char.IsLowSurrogate(text[place + 1]);
            yield return isPair ? char.ConvertToUtf32(text[place], text[++place]) : text[place];
        }
    }

    internal static string Text(int point) => point is >= 0xd800 and < 0xe000 or < 0x10000 ? ((char)point).ToString() : char.ConvertFromUtf32(point);

    internal static bool IsPrintable(int point) => point == ' ' || Category(point) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    internal static bool IsLetter(int point) => Category(point) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter;

    internal static bool IsUpper(int point) => Category(point) is UnicodeCategory.UppercaseLetter;

    internal static bool IsLower(int point) => Category(point) is UnicodeCategory.LowercaseLetter || point is 0xaa or 0xba;

    /// <summary>Whether the character has two cases, so that a word of Python's <c>title</c> goes on behind it.</summary>
    internal static bool HasCase(int point) => IsUpper(point) || IsLower(point) || Category(point) is UnicodeCategory.TitlecaseLetter;

    internal static bool IsDecimal(int point) => Category(point) is UnicodeCategory.DecimalDigitNumber;

    /// <summary>Decimal digits and those that are written above or around.</summary>
    internal static bool IsDigit(int point) => IsDecimal(point) || CharUnicodeInfo.GetDigitValue(Text(point), 0) >= 0;

    internal static bool IsNumeric(int point) => IsDigit(point) || CharUnicodeInfo.GetNumericValue(Text(point), 0) >= 0;

    internal static string Upper(string text) => TemplateCapitals.Upper(text, isTitle: false);

    /// <summary>The first letter of a word.</summary>
    internal static string Title(string letter) => letter switch
    {
        "\u01c4" or "\u01c5" or "\u01c6" => "\u01c5",
        "\u01c7" or "\u01c8" or "\u01c9" => "\u01c8",
        "\u01ca" or "\u01cb" or "\u01cc" => "\u01cb",
        "\u01f1" or "\u01f2" or "\u01f3" => "\u01f2",
        _ => TemplateCapitals.Upper(letter, isTitle: true),
    };

    internal static string Lower(string text)
    {
        var lower = text.ToLowerInvariant();
        if (text.Contains('\u03a3', StringComparison.Ordinal))
        {
            lower = string.Create(lower.Length, (Lower: lower, Text: text), (span, both) =>
            {
                both.Lower.CopyTo(span);
                for (var place = 0; place < span.Length; place++)
                    span[place] = both.Text[place] == '\u03a3' && EndsWord(both.Text, place) ? '\u03c2' : span[place];
            });
        }
        return lower.Replace("\u0130", "i\u0307", StringComparison.Ordinal);
    }

    // The small sigma at the end of a word: a cased letter before it and none behind it, marks passed over.
    private static bool EndsWord(string text, int place)
    {
        return IsCasedNext(-1) && !IsCasedNext(1);

        bool IsCasedNext(int step)
        {
            for (var (at, passed) = (place + step, 0); at >= 0 && at < text.Length && passed < 30; at += step, passed++)
            {
                var isPassedOver = text[at] is '\'' or '.' or ':' or '\u00b7' or '\u2019'
                    || Category(text[at]) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;
                if (!isPassedOver)
                    return HasCase(text[at]);
            }
            return false;
        }
    }

    private static UnicodeCategory Category(int point) => point is >= 0xd800 and < 0xe000 ? UnicodeCategory.Surrogate : CharUnicodeInfo.GetUnicodeCategory(point);
}

/// <summary>Letters whose capital form is more than one letter, which .NET's own capitals leave as they are.</summary>
internal static class TemplateCapitals
{
    // Letter, its capital form, its form at the start of a word: the unconditional rows of Unicode's SpecialCasing that change a length.
    private const string Rows =
        "\u00df SS Ss;\u0149 \u02bcN \u02bcN;\u01f0 J\u030c J\u030c;\u0390 \u0399\u0308\u0301 \u0399\u0308\u0301;\u03b0 \u03a5\u0308\u0301 \u03a5\u0308\u0301;" +
        "\u0587 \u0535\u0552 \u0535\u0582;\u1e96 H\u0331 H\u0331;\u1e97 T\u0308 T\u0308;\u1e98 W\u030a W\u030a;\u1e99 Y\u030a Y\u030a;\u1e9a A\u02be A\u02be;" +
        "\u1f50 \u03a5\u0313 \u03a5\u0313;\u1f52 \u03a5\u0313\u0300 \u03a5\u0313\u0300;\u1f54 \u03a5\u0313\u0301 \u03a5\u0313\u0301;" +
        "\u1f56 \u03a5\u0313\u0342 \u03a5\u0313\u0342;\u1f80 \u1f08\u0399 \u1f88;\u1f81 \u1f09\u0399 \u1f89;\u1f82 \u1f0a\u0399 \u1f8a;" +
        "\u1f83 \u1f0b\u0399 \u1f8b;\u1f84 \u1f0c\u0399 \u1f8c;\u1f85 \u1f0d\u0399 \u1f8d;\u1f86 \u1f0e\u0399 \u1f8e;\u1f87 \u1f0f\u0399 \u1f8f;" +
        "\u1f88 \u1f08\u0399 \u1f88;\u1f89 \u1f09\u0399 \u1f89;\u1f8a \u1f0a\u0399 \u1f8a;\u1f8b \u1f0b\u0399 \u1f8b;\u1f8c \u1f0c\u0399 \u1f8c;" +
        "\u1f8d \u1f0d\u0399 \u1f8d;\u1f8e \u1f0e\u0399 \u1f8e;\u1f8f \u1f0f\u0399 \u1f8f;\u1f90 \u1f28\u0399 \u1f98;\u1f91 \u1f29\u0399 \u1f99;" +
        "\u1f92 \u1f2a\u0399 \u1f9a;\u1f93 \u1f2b\u0399 \u1f9b;\u1f94 \u1f2c\u0399 \u1f9c;\u1f95 \u1f2d\u0399 \u1f9d;\u1f96 \u1f2e\u0399 \u1f9e;" +
        "\u1f97 \u1f2f\u0399 \u1f9f;\u1f98 \u1f28\u0399 \u1f98;\u1f99 \u1f29\u0399 \u1f99;\u1f9a \u1f2a\u0399 \u1f9a;\u1f9b \u1f2b\u0399 \u1f9b;" +
        "\u1f9c \u1f2c\u0399 \u1f9c;\u1f9d \u1f2d\u0399 \u1f9d;\u1f9e \u1f2e\u0399 \u1f9e;\u1f9f \u1f2f\u0399 \u1f9f;\u1fa0 \u1f68\u0399 \u1fa8;" +
        "\u1fa1 \u1f69\u0399 \u1fa9;\u1fa2 \u1f6a\u0399 \u1faa;\u1fa3 \u1f6b\u0399 \u1fab;\u1fa4 \u1f6c\u0399 \u1fac;\u1fa5 \u1f6d\u0399 \u1fad;" +
        "\u1fa6 \u1f6e\u0399 \u1fae;\u1fa7 \u1f6f\u0399 \u1faf;\u1fa8 \u1f68\u0399 \u1fa8;\u1fa9 \u1f69\u0399 \u1fa9;\u1faa \u1f6a\u0399 \u1faa;" +
        "\u1fab \u1f6b\u0399 \u1fab;\u1fac \u1f6c\u0399 \u1fac;\u1fad \u1f6d\u0399 \u1fad;\u1fae \u1f6e\u0399 \u1fae;\u1faf \u1f6f\u0399 \u1faf;" +
        "\u1fb2 \u1fba\u0399 \u1fba\u0345;\u1fb3 \u0391\u0399 \u1fbc;\u1fb4 \u0386\u0399 \u0386\u0345;\u1fb6 \u0391\u0342 \u0391\u0342;" +
        "\u1fb7 \u0391\u0342\u0399 \u0391\u0342\u0345;\u1fbc \u0391\u0399 \u1fbc;\u1fc2 \u1fca\u0399 \u1fca\u0345;\u1fc3 \u0397\u0399 \u1fcc;" +
        "\u1fc4 \u0389\u0399 \u0389\u0345;\u1fc6 \u0397\u0342 \u0397\u0342;\u1fc7 \u0397\u0342\u0399 \u0397\u0342\u0345;\u1fcc \u0397\u0399 \u1fcc;" +
        "\u1fd2 \u0399\u0308\u0300 \u0399\u0308\u0300;\u1fd3 \u0399\u0308\u0301 \u0399\u0308\u0301;\u1fd6 \u0399\u0342 \u0399\u0342;" +
        "\u1fd7 \u0399\u0308\u0342 \u0399\u0308\u0342;\u1fe2 \u03a5\u0308\u0300 \u03a5\u0308\u0300;\u1fe3 \u03a5\u0308\u0301 \u03a5\u0308\u0301;" +
        "\u1fe4 \u03a1\u0313 \u03a1\u0313;\u1fe6 \u03a5\u0342 \u03a5\u0342;\u1fe7 \u03a5\u0308\u0342 \u03a5\u0308\u0342;\u1ff2 \u1ffa\u0399 \u1ffa\u0345;" +
        "\u1ff3 \u03a9\u0399 \u1ffc;\u1ff4 \u038f\u0399 \u038f\u0345;\u1ff6 \u03a9\u0342 \u03a9\u0342;\u1ff7 \u03a9\u0342\u0399 \u03a9\u0342\u0345;" +
        "\u1ffc \u03a9\u0399 \u1ffc;\ufb00 FF Ff;\ufb01 FI Fi;\ufb02 FL Fl;\ufb03 FFI Ffi;\ufb04 FFL Ffl;\ufb05 ST St;\ufb06 ST St;" +
        "\ufb13 \u0544\u0546 \u0544\u0576;\ufb14 \u0544\u0535 \u0544\u0565;\ufb15 \u0544\u053b \u0544\u056b;\ufb16 \u054e\u0546 \u054e\u0576;" +
        "\ufb17 \u0544\u053d \u0544\u056d;\u017f S S;";

    private static readonly Dictionary<char, (string Upper, string Title)> Known = Rows.Split(';', StringSplitOptions.RemoveEmptyEntries)
        .Select(row => row.Split(' ')).ToDictionary(row => row[0][0], row => (row[1], row[2]));

    private static readonly SearchValues<char> Letters = SearchValues.Create([.. Known.Keys]);

    internal static string Upper(string text, bool isTitle)
    {
        if (!text.AsSpan().ContainsAny(Letters))
            return text.ToUpperInvariant();
        var made = new StringBuilder(text.Length);
        for (var start = 0; start < text.Length;)
        {
            var next = text.AsSpan(start).IndexOfAny(Letters);
            var end = next < 0 ? text.Length : start + next;
            _ = made.Append(text[start..end].ToUpperInvariant());
            if (next >= 0)
                _ = made.Append(isTitle ? Known[text[end]].Title : Known[text[end]].Upper);
            start = end + 1;
        }
        return made.ToString();
    }
}
