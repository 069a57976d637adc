using System.Globalization;

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
