using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>The functions that templates may call by name, apart from those that need the renderer.</summary>
internal static class TemplateFunctions
{
    private const int LongestRange = 10_000;
    private const int LongestDate = 1_000;

    internal static object? Call(TemplateCall call, Func<DateTimeOffset> clock)
    {
        switch (call.Name)
        {
            case "raise_exception":
                call.Takes(1, "message");
                throw new TemplateException(call.Text(0, "message").Text);
            case "namespace":
                return new TemplateNamespace(Members(call));
            case "dict":
                return Members(call);
            case "range":
                return Range(call);
            case "strftime_now":
                call.Takes(1, "format");
                var format = call.Word(0, "format").Text;
                if (format.Length > LongestDate)
                    throw new TemplateException($"the format of a date has {LongestDate} characters at most, not {format.Length}.");
                return MarkedText.Trusted(TemplateClock.Format(clock(), format));
            default:
                throw new TemplateException($"the function '{call.Name}' is not known.");
        }
    }

    /// <summary>The mapping of a call's arguments: another mapping or pairs, then the named ones.</summary>
    internal static TemplateDictionary Members(TemplateCall call)
    {
        if (call.Positional.Count > 1)
            throw new TemplateException($"{call.Name} takes one mapping or list of pairs, not {call.Positional.Count}.");
        var members = new TemplateDictionary();
        if (call.Positional.Count == 1)
        {
            if (call.Positional[0] is TemplateDictionary other)
            {
                foreach (var (key, value) in other.Entries)
                    members.Set(key, value, call.Budget);
            }
            else
            {
                foreach (var pair in TemplateValues.Items(call.Positional[0], call.Budget))
                {
                    var parts = TemplateValues.Items(pair, call.Budget);
                    if (parts.Count != 2)
                        throw new TemplateException($"{call.Name} needs pairs, not {parts.Count} values.");
                    members.Set(parts[0], parts[1], call.Budget);
                }
            }
        }
        foreach (var (name, value) in call.Named)
            members.Set(MarkedText.Of(name, false), value, call.Budget);
        return members;
    }

    private static TemplateList Range(TemplateCall call)
    {
        call.TakesPositional(1, 3);
        var (start, stop) = call.Positional.Count == 1 ? (0L, TemplateNumbers.Whole(call.Positional[0])) : (TemplateNumbers.Whole(call.Positional[0]), TemplateNumbers.Whole(call.Positional[1]));
        var step = call.Positional.Count == 3 ? TemplateNumbers.Whole(call.Positional[2]) : 1;
        if (step == 0)
            throw new TemplateException("the step of a range is 0.");
        var count = step > 0 ? ((Int128)stop - start + step - 1) / step : ((Int128)start - stop - step - 1) / -(Int128)step;
        if (count > LongestRange)
            throw new TemplateException($"a range has {LongestRange} items at most, not {count}.");
        var items = new object?[(int)Int128.Max(count, 0)];
        call.Budget.Items(items.Length, 32);
        for (var index = 0; index < items.Length; index++)
            items[index] = start + (index * step);
        return new TemplateList(items, TemplateListKind.Range) { Bounds = (start, stop, step) };
    }
}

/// <summary>Dates as templates write them.</summary>
internal static class TemplateClock
{
    internal static string Format(DateTimeOffset now, string format)
    {
        var text = new StringBuilder();
        for (var place = 0; place < format.Length; place++)
        {
            if (format[place] != '%' || ++place == format.Length)
            {
                _ = text.Append(format[Math.Min(place, format.Length - 1)]);
                continue;
            }
            var pattern = format[place] switch { 'd' => "dd", 'm' => "MM", 'b' => "MMM", 'B' => "MMMM", 'Y' => "yyyy", 'y' => "yy", 'H' => "HH", 'M' => "mm", 'S' => "ss", 'A' => "dddd", 'a' => "ddd", '%' => "'%'", var other => throw new TemplateException($"'%{other}' of a date is not supported.") };
            _ = text.Append(now.ToString(pattern, CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }
}
