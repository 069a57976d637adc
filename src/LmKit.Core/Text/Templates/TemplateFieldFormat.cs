using System.Globalization;
using System.Numerics;

namespace LmKit;

/// <summary>How one value is written into a format: Python's flags, width, precision and type.</summary>
internal sealed class TemplateFieldFormat
{
    private const int LargestNumber = 10_000; // of a width or a precision

    internal string Fill { get; set; } = " ";

    /// <summary>One of &lt; &gt; ^ = or nothing for the value's own side.</summary>
    internal char Align { get; set; }

    internal char Sign { get; set; } = '-';

    internal bool IsAlternate { get; set; }

    internal char Group { get; set; }

    internal int Width { get; set; }

    internal int? Precision { get; set; }

    internal char Type { get; set; }

    /// <summary>Reads digits at a place, which moves behind them.</summary>
    internal static int? Digits(string text, ref int place)
    {
        var start = place;
        while (place < text.Length && char.IsAsciiDigit(text[place]))
            place++;
        if (start == place)
            return null;
        return place - start <= 5 && int.Parse(text.AsSpan(start, place - start), CultureInfo.InvariantCulture) is var number and <= LargestNumber
            ? number
            : throw new TemplateException($"a width or precision of a format is {LargestNumber} at most.");
    }

    internal MarkedText Text(MarkedText text, TemplateBudget budget)
    {
        var count = text.Count(budget);
        if (Precision is { } most && most < count)
            (text, count) = (text.Characters(0, most, budget), most);
        return Padded(MarkedText.Empty, text, '<', Width - count, budget);
    }

    internal MarkedText Number(object? value, TemplateBudget budget)
    {
        var (digits, isNegative) = value is double number ? (OfFloat(number), double.IsNegative(number) && !double.IsNaN(number)) : OfWhole(value);
        var sign = isNegative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        if (Group != '\0')
            digits = Grouped(digits, Type is 'x' or 'X' or 'o' or 'b' ? 4 : 3);
        var prefix = IsAlternate && Type is 'x' or 'X' or 'o' or 'b' && IsAlternate ? $"{sign}0{Type}" : sign;
        return Padded(MarkedText.Trusted(prefix), MarkedText.Trusted(digits), '>', Width - prefix.Length - digits.Length, budget);
    }

    private (string Digits, bool IsNegative) OfWhole(object? value)
    {
        var whole = TemplateNumbers.Whole(value);
        if (Type is 'f' or 'F' or 'e' or 'E' or 'g' or 'G' or '%')
            return (OfFloat(whole), whole < 0);
        var size = BigInteger.Abs(whole);
        var digits = Type switch
        {
            'x' => Radix(size, 16),
            'X' => Radix(size, 16).ToUpperInvariant(),
            'o' => Radix(size, 8),
            'b' => Radix(size, 2),
            'c' => throw new TemplateException("the format type 'c' is not supported."),
            _ => size.ToString(CultureInfo.InvariantCulture),
        };
        return (Precision is { } least && Type is 'd' or 'i' or 'u' && Precision is not null ? digits.PadLeft(Precision.Value, '0') : digits, whole < 0);
    }

    private string OfFloat(double number)
    {
        var size = Math.Abs(number);
        var digits = Type switch
        {
            'f' or 'F' => TemplateNumbers.Fixed(size, Precision ?? 6),
            '%' => TemplateNumbers.Fixed(size * 100, Precision ?? 6) + "%",
            'e' or 'E' when double.IsFinite(size) => Exponential(size, Precision ?? 6),
            '\0' when Precision is null => TemplateNumbers.Print(size),
            'e' or 'E' => TemplateNumbers.Print(size),
            _ => throw new TemplateException($"the format type '{(Type == '\0' ? "." + Precision : Type)}' is not supported for a number with a point."),
        };
        return Type is 'F' or 'E' ? digits.ToUpperInvariant() : digits;
    }

    private static string Exponential(double number, int precision)
    {
        var text = number.ToString("E" + Math.Min(precision, 300).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var mark = text.IndexOf('E', StringComparison.Ordinal);
        return $"{text[..mark]}e{text[mark + 1]}{int.Parse(text.AsSpan(mark + 2), CultureInfo.InvariantCulture):00}";
    }

    private static string Radix(BigInteger number, int radix)
    {
        var digits = "";
        do
            digits = "0123456789abcdef"[(int)(number % radix)] + digits;
        while ((number /= radix) > 0);
        return digits;
    }

    private string Grouped(string digits, int size)
    {
        var end = digits.AsSpan().IndexOfAny(".e%");
        var whole = end < 0 ? digits : digits[..end];
        for (var place = whole.Length - size; place > 0 && char.IsAsciiLetterOrDigit(whole[0]) && whole is not "inf" and not "nan"; place -= size)
            whole = whole.Insert(place, Group.ToString());
        return end < 0 ? whole : whole + digits[end..];
    }

    private MarkedText Padded(MarkedText prefix, MarkedText text, char usual, int space, TemplateBudget budget)
    {
        if (space <= 0)
            return MarkedText.Join(prefix, text, budget);
        var align = Align == '\0' ? usual : Align;
        var before = align switch { '<' => 0, '^' => space / 2, _ => space };
        var fill = MarkedText.Trusted(Fill);
        var (left, right) = (fill.Repeated(before, budget), fill.Repeated(space - before, budget));
        return MarkedText.Join(align == '=' ? [prefix, left, text, right] : [left, prefix, text, right], budget);
    }
}
