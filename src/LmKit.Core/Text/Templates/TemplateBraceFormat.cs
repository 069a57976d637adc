namespace LmKit;

/// <summary>The method <c>format</c> of texts: <c>'{} and {name[key]:&gt;8}'.format(x, name=y)</c>.</summary>
internal static class TemplateBraceFormat
{
    internal static MarkedText Apply(MarkedText format, TemplateCall call)
    {
        var (budget, text) = (call.Budget, format.Text);
        budget.Read(text.Length);
        var parts = new List<MarkedText>();
        var next = 0; // of the unnumbered places; -1 when the format numbers them
        for (var place = 0; place < text.Length;)
        {
            var brace = text.AsSpan(place).IndexOfAny('{', '}');
            var end = brace < 0 ? text.Length : place + brace;
            parts.Add(format.Slice(place, end - place, budget));
            if (end == text.Length)
                break;
            budget.Step();
            budget.Items(2);
            if (end + 1 < text.Length && text[end + 1] == text[end])
            {
                parts.Add(format.Slice(end, 1, budget));
                place = end + 2;
                continue;
            }
            var close = text[end] == '{' ? text.IndexOf('}', end) : -1;
            if (close < 0)
                throw new TemplateException("a brace of a format stands alone.");
            parts.Add(Field(text[(end + 1)..close], ref next, call));
            place = close + 1;
        }
        return MarkedText.Join(parts, budget);
    }

    private static MarkedText Field(string field, ref int next, TemplateCall call)
    {
        if (field.Contains('{', StringComparison.Ordinal))
            throw new TemplateException("a place inside a place of a format is not supported.");
        var colon = field.IndexOf(':', StringComparison.Ordinal);
        var (name, format) = colon < 0 ? (field, "") : (field[..colon], field[(colon + 1)..]);
        var mark = name.IndexOf('!', StringComparison.Ordinal);
        var conversion = mark < 0 ? "" : name[(mark + 1)..];
        name = mark < 0 ? name : name[..mark];
        var value = Value(name, ref next, call);
        value = conversion switch
        {
            "" when mark < 0 => value,
            "s" => TemplatePrinting.Text(value, call.Budget),
            "r" => MarkedText.Of(TemplatePrinting.Repr(value, call.Budget), false),
            _ => throw new TemplateException($"the conversion '!{conversion}' of a format is not supported."),
        };
        return Written(value, format, call.Budget);
    }

    private static object? Value(string name, ref int next, TemplateCall call)
    {
        var end = name.AsSpan().IndexOfAny('.', '[');
        var first = end < 0 ? name : name[..end];
        var place = 0;
        object? value;
        if (first.Length == 0 || char.IsAsciiDigit(first[0]))
        {
            if (first.Length == 0 ? next < 0 : next > 0)
                throw new TemplateException("a format numbers all of its places or none.");
            var index = first.Length == 0 ? next++ : TemplateFieldFormat.Digits(first, ref place) ?? 0;
            if (first.Length > 0)
                next = -1;
            if (place < first.Length)
                throw new TemplateException($"'{first}' is no place of a format.");
            value = index < call.Positional.Count ? call.Positional[index] : throw new TemplateException($"a format has no value {index}.");
        }
        else
        {
            value = call.Has(int.MaxValue, first) ? call.Get(int.MaxValue, first) : throw new TemplateException($"a format has no value '{first}'.");
        }
        for (place = end < 0 ? name.Length : end; place < name.Length;)
        {
            var isIndex = name[place] == '[';
            var stop = isIndex ? name.IndexOf(']', place) : name.AsSpan(place + 1).IndexOfAny('.', '[') is var found and >= 0 ? place + 1 + found : name.Length;
            if (stop < 0)
                throw new TemplateException("an index of a format has no end.");
            var member = name[(place + 1)..stop];
            value = isIndex
                ? TemplateIndexing.At(value, long.TryParse(member, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var index) ? index : MarkedText.Of(member, false), call.Budget)
                : TemplateIndexing.Member(value, member);
            if (value is TemplateUndefined)
                throw new TemplateException($"a value of a format has no '{member}'.");
            place = isIndex ? stop + 1 : stop;
        }
        return value;
    }

    private static MarkedText Written(object? value, string format, TemplateBudget budget)
    {
        if (format.Length == 0)
            return TemplatePrinting.Text(value, budget);
        var (field, place) = (new TemplateFieldFormat(), 0);
        bool IsAlign(int at) => at < format.Length && format[at] is '<' or '>' or '^' or '=';
        if (IsAlign(1))
            (field.Fill, field.Align, place) = (format[..1], format[1], 2);
        else if (IsAlign(0))
            (field.Align, place) = (format[0], 1);
        if (At('+') || At('-') || At(' '))
            field.Sign = format[place++];
        if (At('#'))
            (field.IsAlternate, place) = (true, place + 1);
        if (At('0'))
        {
            place++;
            if (field.Align == '\0')
                (field.Fill, field.Align) = ("0", value is MarkedText ? '<' : '=');
        }
        field.Width = TemplateFieldFormat.Digits(format, ref place) ?? 0;
        if (At(',') || At('_'))
            field.Group = format[place++];
        if (At('.'))
        {
            place++;
            field.Precision = TemplateFieldFormat.Digits(format, ref place) ?? throw new TemplateException("a precision of a format has no digits.");
        }
        if (place < format.Length)
            field.Type = format[place++];
        if (place < format.Length)
            throw new TemplateException($"the format '{format}' is not supported.");
        switch (value)
        {
            case MarkedText text when field.Type is '\0' or 's' && field.Align != '=' && field.Sign == '-' && field.Group == '\0':
                return field.Text(text, budget);
            case double when field.Type is '\0' or 'f' or 'F' or 'e' or 'E' or '%':
            case long or bool when field.Type is 'f' or 'F' or 'e' or 'E' or '%':
                return field.Number(TemplateNumbers.Float(value), budget);
            case long or bool when field.Type is '\0' or 'd' or 'x' or 'X' or 'o' or 'b' && field.Precision is null:
                return field.Number(value, budget);
            default:
                throw new TemplateException($"the format '{format}' does not fit {TemplateValues.Kind(value)}.");
        }

        bool At(char sign) => place < format.Length && format[place] == sign;
    }
}
