
namespace LmKit;

/// <summary>The operators of templates.</summary>
internal static class TemplateArithmetic
{
    private const int LongestList = 1_000_000;

    internal static object? Apply(string name, object? left, object? right) => name switch
    {
        "==" => TemplateValues.Equals(left, right),
        "!=" => !TemplateValues.Equals(left, right),
        "<" => TemplateValues.Compare(left, right) < 0,
        "<=" => TemplateValues.Compare(left, right) <= 0,
        ">" => TemplateValues.Compare(left, right) > 0,
        ">=" => TemplateValues.Compare(left, right) >= 0,
        "in" => TemplateValues.Contains(right, left),
        "not in" => !TemplateValues.Contains(right, left),
        "~" => MarkedText.Join([TemplateValues.Text(left), TemplateValues.Text(right)]),
        "+" => Add(left, right),
        "-" => Number(left, right, (a, b) => checked(a - b), (a, b) => a - b),
        "*" => left is MarkedText text ? Repeated(text, TemplateValues.Whole(right)) : Number(left, right, (a, b) => checked(a * b), (a, b) => a * b),
        "/" => Divided(TemplateValues.Float(left), TemplateValues.Float(right)),
        "//" => Number(left, right, (a, b) => (long)Math.Floor((decimal)a / b), (a, b) => Math.Floor(a / b)),
        "%" => left is MarkedText format ? Formatted(format, right) : Number(left, right, (a, b) => ((a % b) + b) % b, (a, b) => a - (b * Math.Floor(a / b))),
        "**" when left is double || right is not (long and >= 0) => Math.Pow(TemplateValues.Float(left), TemplateValues.Float(right)),
        "**" => WholePower(left, right),
        _ => throw new TemplateException($"the operator '{name}' is not supported."),
    };

    private static object? Add(object? left, object? right) => (left, right) switch
    {
        (MarkedText a, MarkedText b) => MarkedText.Join([a, b]),
        (List<object?> a, List<object?> b) => a.Count + b.Count <= LongestList ? (List<object?>)[.. a, .. b] : throw new TemplateException($"a list may have {LongestList} items."),
        (bool or long or double, bool or long or double) => Number(left, right, (a, b) => checked(a + b), (a, b) => a + b),
        _ => throw new TemplateException($"{TemplateValues.Kind(left)} and {TemplateValues.Kind(right)} cannot be added."),
    };

    private static object Number(object? left, object? right, Func<long, long, long> whole, Func<double, double, double> number) =>
        left is double || right is double ? number(TemplateValues.Float(left), TemplateValues.Float(right)) : (object)whole(TemplateValues.Whole(left), TemplateValues.Whole(right));

    private static double Divided(double left, double right) => right == 0 ? throw new TemplateException("a division by zero.") : left / right;

    private static long WholePower(object? left, object? right)
    {
        var power = Math.Pow(TemplateValues.Float(left), TemplateValues.Float(right));
        return Math.Abs(power) < 1L << 53 ? (long)power : throw new TemplateException("a power is too large.");
    }

    private static MarkedText Repeated(MarkedText text, long count)
    {
        if (count <= 0 || text.Length == 0)
            return MarkedText.Empty;
        if (count > MarkedText.LongestText / text.Length)
            throw new TemplateException($"a text of {count} times {text.Length} characters is too long.");
        return MarkedText.Join([.. Enumerable.Repeat(text, (int)count)]);
    }

    // 'a %s b' % (x, y): the string and whole-number forms.
    private static MarkedText Formatted(MarkedText format, object? arguments)
    {
        var values = arguments is List<object?> several ? several : [arguments];
        var (parts, used) = (new List<MarkedText>(), 0);
        for (var place = 0; place < format.Length; place++)
        {
            if (format.Text[place] != '%')
            {
                parts.Add(format.Slice(place, 1));
                continue;
            }
            var kind = ++place < format.Length ? format.Text[place] : '\0';
            if (kind == '%')
                parts.Add(format.Slice(place, 1));
            else if (kind is 's' or 'd' && used < values.Count)
                parts.Add(kind == 's' ? TemplateValues.Text(values[used++]) : TemplateValues.Text(TemplateValues.Whole(values[used++])));
            else
                throw new TemplateException($"'%{kind}' of a format has no value, or is not supported.");
        }
        return used == values.Count ? MarkedText.Join(parts) : throw new TemplateException("a format has more values than places.");
    }
}
