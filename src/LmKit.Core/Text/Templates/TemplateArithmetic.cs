namespace LmKit;

/// <summary>The operators of templates.</summary>
internal static class TemplateArithmetic
{
    internal static object? Apply(string name, object? left, object? right, TemplateBudget budget) => name switch
    {
        "==" => TemplateEquality.Equal(left, right, budget),
        "!=" => !TemplateEquality.Equal(left, right, budget),
        "<" or "<=" or ">" or ">=" => Ordered(name, left, right, budget),
        "in" => TemplateEquality.Contains(right, left, budget),
        "not in" => !TemplateEquality.Contains(right, left, budget),
        "+" => Add(left, right, budget),
        "-" => Number(name, left, right),
        "*" => Times(left, right, budget),
        "/" => Divided(left, right),
        "//" => left is double || right is double
            ? Floored(TemplateNumbers.Float(left), NotZero(TemplateNumbers.Float(right)))
            : (object)Floored(TemplateNumbers.Whole(left), NotZero(TemplateNumbers.Whole(right))),
        "%" => left is MarkedText format ? TemplatePercentFormat.Apply(format, right, budget) : Remainder(left, right),
        "**" => Power(left, right),
        _ => throw new TemplateException($"the operator '{name}' is not supported."),
    };

    internal static object? Negated(object? value) => value is double number ? -number : (object)checked(-TemplateNumbers.Whole(value));

    /// <summary>The rest of a division, which has the divisor's sign.</summary>
    internal static object Remainder(object? left, object? right)
    {
        if (left is double || right is double)
        {
            var (a, b) = (TemplateNumbers.Float(left), NotZero(TemplateNumbers.Float(right)));
            var rest = a % b;
            return rest == 0 ? Math.CopySign(0, b) : (b < 0) != (rest < 0) ? rest + b : rest;
        }
        var (whole, by) = (TemplateNumbers.Whole(left), NotZero(TemplateNumbers.Whole(right)));
        var remains = by == -1 ? 0 : whole % by;
        return remains != 0 && (remains < 0) != (by < 0) ? remains + by : remains;
    }

    private static bool Ordered(string name, object? left, object? right, TemplateBudget budget)
    {
        if (TemplateNumbers.IsNumber(left) && TemplateNumbers.IsNumber(right) && TemplateNumbers.Compare(left, right) is null)
            return false;
        var order = TemplateEquality.Order(left, right, budget);
        return name switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
    }

    private static object? Add(object? left, object? right, TemplateBudget budget)
    {
        switch (left, right)
        {
            case (MarkedText a, MarkedText b):
                return MarkedText.Join(a, b, budget);
            case (TemplateList { Kind: TemplateListKind.List or TemplateListKind.Tuple or TemplateListKind.Group } a, TemplateList b)
                when (a.Kind == TemplateListKind.List) == (b.Kind == TemplateListKind.List) && b.Kind is TemplateListKind.List or TemplateListKind.Tuple or TemplateListKind.Group:
                budget.Items((long)a.Count + b.Count);
                return new TemplateList([.. a.Items, .. b.Items], a.Kind == TemplateListKind.List ? TemplateListKind.List : TemplateListKind.Tuple);
            default:
                return TemplateNumbers.IsNumber(left) && TemplateNumbers.IsNumber(right)
                    ? Number("+", left, right)
                    : throw new TemplateException($"{TemplateValues.Kind(left)} and {TemplateValues.Kind(right)} cannot be added.");
        }
    }

    private static object? Times(object? left, object? right, TemplateBudget budget)
    {
        if (right is MarkedText or TemplateList)
            (left, right) = (right, left);
        switch (left)
        {
            case MarkedText text:
                return text.Repeated(TemplateNumbers.Whole(right), budget);
            case TemplateList { Kind: TemplateListKind.List or TemplateListKind.Tuple or TemplateListKind.Group } list:
                var count = Math.Max(0, TemplateNumbers.Whole(right));
                if (list.Count == 0 || count == 1)
                    return list;
                if (count > int.MaxValue / list.Count)
                    throw new TemplateException($"a list of {count} times {list.Count} items is too long.");
                budget.Items(count * list.Count);
                var items = new List<object?>((int)count * list.Count);
                for (; count > 0; count--)
                    items.AddRange(list.Items);
                return new TemplateList(items, list.Kind == TemplateListKind.List ? TemplateListKind.List : TemplateListKind.Tuple);
            default:
                return Number("*", left, right);
        }
    }

    private static object Number(string name, object? left, object? right)
    {
        if (left is double || right is double)
        {
            var (x, y) = (TemplateNumbers.Float(left), TemplateNumbers.Float(right));
            return name == "+" ? x + y : name == "-" ? x - y : x * y;
        }
        var (a, b) = (TemplateNumbers.Whole(left), TemplateNumbers.Whole(right));
        return checked(name == "+" ? a + b : name == "-" ? a - b : a * b);
    }

    private static double Divided(object? left, object? right)
    {
        if (left is double || right is double)
            return TemplateNumbers.Float(left) / NotZero(TemplateNumbers.Float(right));
        var (a, b) = (TemplateNumbers.Whole(left), NotZero(TemplateNumbers.Whole(right)));
        return (Math.Abs((decimal)a) < 1L << 53 && Math.Abs((decimal)b) < 1L << 53) ? (double)a / b : (double)((decimal)a / b);
    }

    private static long Floored(long left, long right)
    {
        var isExact = right == -1 || left % right == 0;
        return checked(left / right) - (isExact || (left < 0) == (right < 0) ? 0 : 1);
    }

    private static double Floored(double left, double right)
    {
        var quotient = (left - (double)Remainder(left, right)) / right;
        var floor = Math.Floor(quotient);
        return quotient == 0 ? Math.CopySign(0, left / right) : quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static object Power(object? left, object? right)
    {
        if (left is double || right is double || TemplateNumbers.Whole(right) < 0)
        {
            var (x, y) = (TemplateNumbers.Float(left), TemplateNumbers.Float(right));
            if (x == 0 && y < 0)
                throw new TemplateException("a division by zero.");
            var power = Math.Pow(x, y);
            if (double.IsFinite(x) && double.IsFinite(y) && !double.IsFinite(power))
                throw new TemplateException($"{TemplateNumbers.Print(x)} ** {TemplateNumbers.Print(y)} is no number that a template has.");
            return power;
        }
        var (number, times) = (TemplateNumbers.Whole(left), TemplateNumbers.Whole(right));
        if (number is 0 or 1 or -1)
            return times == 0 ? 1L : number is 0 or 1 ? number : times % 2 == 0 ? 1L : -1L;
        var product = 1L;
        for (; times > 0; times--)
            product = checked(product * number);
        return product;
    }

    private static double NotZero(double number) => number == 0 ? throw new TemplateException("a division by zero.") : number;

    private static long NotZero(long number) => number == 0 ? throw new TemplateException("a division by zero.") : number;
}
