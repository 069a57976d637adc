namespace LmKit;

/// <summary>Filters that make a number.</summary>
internal static class TemplateNumberFilters
{
    internal static object? Abs(object? value, TemplateCall call)
    {
        call.Takes(0);
        return value is double number ? Math.Abs(number) : (object)Math.Abs(TemplateNumbers.Whole(value));
    }

    internal static object? Int(object? value, TemplateCall call)
    {
        call.Takes(0, "default", "base");
        var otherwise = call.Get(0, "default", 0L);
        var radix = call.Whole(1, "base", 10);
        if (radix is not (0 or (>= 2 and <= 36)))
            throw new TemplateException($"the base of int is 0 or 2 to 36, not {radix}.");
        switch (value)
        {
            case MarkedText text:
                return TemplateNumbers.TryWhole(text.Text, (int)radix) ?? (TemplateNumbers.TryFloat(text.Text, out var read) && double.IsFinite(read) ? TemplateNumbers.Truncated(read) : otherwise);
            case double number:
                return double.IsFinite(number) ? TemplateNumbers.Truncated(number) : otherwise;
            case bool or long:
                return TemplateNumbers.Whole(value);
            case TemplateUndefined:
                throw new TemplateException($"{TemplateValues.Kind(value)} is no number.");
            default:
                return otherwise;
        }
    }

    internal static object? Float(object? value, TemplateCall call)
    {
        call.Takes(0, "default");
        return value switch
        {
            MarkedText text => TemplateNumbers.TryFloat(text.Text, out var number) ? number : call.Get(0, "default", 0.0),
            bool or long or double => TemplateNumbers.Float(value),
            TemplateUndefined => throw new TemplateException($"{TemplateValues.Kind(value)} is no number."),
            _ => call.Get(0, "default", 0.0),
        };
    }

    internal static object? Round(object? value, TemplateCall call)
    {
        call.Takes(0, "precision", "method");
        var (digits, method) = (call.Whole(0, "precision", 0), call.Has(1, "method") ? call.Word(1, "method").Text : "common");
        if (method == "common")
        {
            return value is double number ? TemplateNumbers.Round(number, digits)
                : digits >= 0 ? TemplateNumbers.Whole(value)
                : (object)checked((long)TemplateNumbers.Rounded(TemplateNumbers.Whole(value), (int)Math.Min(-digits, 20)));
        }
        if (method is not ("ceil" or "floor"))
            throw new TemplateException($"round has the methods common, ceil and floor, not '{method}'.");
        if (digits is < -300 or > 300)
            throw new TemplateException($"round takes -300 to 300 digits with the method '{method}', not {digits}.");
        var scaled = TemplateNumbers.Float(value) * Math.Pow(10, digits);
        if (!double.IsFinite(scaled))
            throw new TemplateException($"{TemplateNumbers.Print(scaled)} cannot be rounded.");
        var whole = method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled);
        return whole / Math.Pow(10, digits);
    }

    internal static object? Sum(object? value, TemplateCall call)
    {
        call.Takes(0, "attribute", "start");
        var (attribute, sum) = (call.Get(0, "attribute"), call.Get(1, "start", 0L));
        if (sum is MarkedText)
            throw new TemplateException("sum adds numbers and lists; join puts texts together.");
        foreach (var item in TemplateValues.Items(value, call.Budget))
        {
            call.Budget.Step();
            sum = TemplateArithmetic.Apply("+", sum, attribute is null ? item : TemplateFilters.Attribute(item, attribute, call.Budget), call.Budget);
        }
        return sum;
    }
}
