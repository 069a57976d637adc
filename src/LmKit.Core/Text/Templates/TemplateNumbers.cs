using System.Buffers;
using System.Globalization;
using System.Numerics;

namespace LmKit;

/// <summary>Numbers as Python compares, rounds, reads and prints them.</summary>
internal static class TemplateNumbers
{
    private static readonly SearchValues<char> NoDigits = SearchValues.Create("xXnNaAiI");
    private const double LargestWhole = 9223372036854775808.0; // 2^63

    internal static bool IsNumber(object? value) => value is bool or long or double;

    internal static double Float(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long whole => whole,
        double number => number,
        _ => throw new TemplateException($"a number is expected, not {TemplateValues.Kind(value)}."),
    };

    internal static long Whole(object? value) => value switch
    {
        bool flag => flag ? 1 : 0,
        long whole => whole,
        _ => throw new TemplateException($"a whole number is expected, not {TemplateValues.Kind(value)}."),
    };

    /// <summary>The exact order of two numbers of any kinds; null where one is not a number (nan).</summary>
    internal static int? Compare(object? left, object? right)
    {
        if (left is not double && right is not double)
            return Whole(left).CompareTo(Whole(right));
        var (a, b) = (Float(left), Float(right));
        if (double.IsNaN(a) || double.IsNaN(b))
            return null;
        if (a != b || (left is double && right is double))
            return a.CompareTo(b);
        var order = left is double ? Exact(a, Whole(right)) : -Exact(b, Whole(left));
        return order;

        static int Exact(double number, long whole) => number >= LargestWhole ? 1 : ((long)number).CompareTo(whole);
    }

    internal static long Truncated(double number) => double.IsFinite(number) && number is > -LargestWhole and < LargestWhole
        ? (long)number
        : throw new TemplateException($"{Print(number)} is no whole number of 64 bits.");

    /// <summary>Rounds to digits after the point, a half to the even neighbour, as exact arithmetic would.</summary>
    internal static double Round(double number, long digits)
    {
        if (!double.IsFinite(number) || digits > 330)
            return number;
        return digits < -310 ? 0 * number : double.Parse(string.Create(CultureInfo.InvariantCulture, $"{(double.IsNegative(number) ? "-" : "")}{Scaled(Math.Abs(number), (int)digits)}E{-digits}"), CultureInfo.InvariantCulture);
    }

    /// <summary>The digits of a number with so many after the point, as <c>%.nf</c> writes them; without a sign.</summary>
    internal static string Fixed(double number, int digits)
    {
        if (!double.IsFinite(number))
            return double.IsNaN(number) ? "nan" : "inf";
        var text = Scaled(Math.Abs(number), digits).ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        return digits == 0 ? text : $"{text[..^digits]}.{text[^digits..]}";
    }

    internal static BigInteger Rounded(long whole, int digits)
    {
        var unit = BigInteger.Pow(10, digits);
        return Quotient(BigInteger.Abs(whole), unit) * unit * Math.Sign(whole);
    }

    internal static string Print(double number)
    {
        if (!double.IsFinite(number))
            return double.IsNaN(number) ? "nan" : number > 0 ? "inf" : "-inf";
        var text = number.ToString("E16", CultureInfo.InvariantCulture);
        var shortest = number.ToString("R", CultureInfo.InvariantCulture);
        var exponent = number == 0 ? 0 : int.Parse(text.AsSpan(text.IndexOf('E', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
        var mark = shortest.IndexOf('E', StringComparison.Ordinal);
        var sign = double.IsNegative(number) ? "-" : "";
        var mantissa = (mark < 0 ? shortest : shortest[..mark]).TrimStart('-');
        var digits = mantissa.Replace(".", "", StringComparison.Ordinal).Trim('0');
        digits = digits.Length == 0 ? "0" : digits;
        // The rounding of 17 digits may carry into the next power; the shortest form tells the true one.
        if (mark >= 0)
            exponent = int.Parse(shortest.AsSpan(mark + 1), CultureInfo.InvariantCulture);
        if (exponent is < -4 or >= 16)
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." + digits[1..] : "")}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        if (exponent < 0)
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        return digits.Length <= exponent + 1
            ? $"{sign}{digits.PadRight(exponent + 1, '0')}.0"
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>Reads what Python's <c>float()</c> reads.</summary>
    internal static bool TryFloat(string text, out double number)
    {
        text = Bare(text);
        var plain = text.TrimStart('+', '-');
        if (plain.Length >= text.Length - 1 && (plain.ToLowerInvariant() is "inf" or "infinity" or "nan"))
        {
            number = plain[0] is 'n' or 'N' ? double.NaN : text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            return true;
        }
        number = 0;
        return !text.AsSpan().ContainsAny(NoDigits) && double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out number);
    }

    /// <summary>Reads what Python's <c>int()</c> reads; null where it reads nothing.</summary>
    internal static long? TryWhole(string text, int radix)
    {
        text = Bare(text);
        var isNegative = text.StartsWith('-');
        var digits = text is ['+' or '-', .. var rest] ? rest : text;
        var named = digits.Length > 2 && digits[0] == '0' ? char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (named > 0 && (radix == named || radix == 0))
            (digits, radix) = (digits[2..], named);
        radix = radix == 0 ? 10 : radix;
        BigInteger whole = 0;
        foreach (var letter in digits)
        {
            var value = char.IsAsciiDigit(letter) ? letter - '0' : char.IsAsciiLetter(letter) ? char.ToLowerInvariant(letter) - 'a' + 10 : 36;
            if (value >= radix)
                return null;
            whole = (whole * radix) + value;
            if (whole > ulong.MaxValue)
                throw new TemplateException("a whole number has 64 bits at most.");
        }
        if (digits.Length == 0)
            return null;
        whole = isNegative ? -whole : whole;
        return whole >= long.MinValue && whole <= long.MaxValue ? (long)whole : throw new TemplateException($"{whole} is no whole number of 64 bits.");
    }

    // The blanks around a number and the underscores between two digits may go.
    private static string Bare(string text)
    {
        text = text.Trim();
        if (text.Length > 400)
            throw new TemplateException($"a number of {text.Length} characters cannot be read.");
        for (var place = 1; place + 1 < text.Length; place++)
        {
            if (text[place] == '_' && char.IsAsciiLetterOrDigit(text[place - 1]) && char.IsAsciiLetterOrDigit(text[place + 1]))
                text = text.Remove(place, 1);
        }
        return text;
    }

    // number * 10^digits, rounded half to even.
    private static BigInteger Scaled(double number, int digits)
    {
        var bits = BitConverter.DoubleToInt64Bits(number);
        var power = (int)(bits >> 52);
        BigInteger above = (bits & 0xfffffffffffffL) | (power == 0 ? 0 : 1L << 52);
        var two = Math.Max(power, 1) - 1075;
        BigInteger below = 1;
        (above, below) = two >= 0 ? (above << two, below) : (above, below << -two);
        (above, below) = digits >= 0 ? (above * BigInteger.Pow(10, digits), below) : (above, below * BigInteger.Pow(10, -digits));
        return Quotient(above, below);
    }

    private static BigInteger Quotient(BigInteger above, BigInteger below)
    {
        var whole = BigInteger.DivRem(above, below, out var rest);
        var half = (rest * 2).CompareTo(below);
        return half > 0 || (half == 0 && !whole.IsEven) ? whole + 1 : whole;
    }
}
