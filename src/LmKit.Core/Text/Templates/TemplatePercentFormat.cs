namespace LmKit;

/// <summary>The operator % of texts: <c>'%s of %d' % (x, y)</c> and <c>'%(name)s' % {...}</c>.</summary>
internal static class TemplatePercentFormat
{
    internal static MarkedText Apply(MarkedText format, object? arguments, TemplateBudget budget)
    {
        var values = arguments is TemplateList { Kind: TemplateListKind.Tuple or TemplateListKind.Group } several ? several.Items : [arguments];
        budget.Read(format.Length);
        var (parts, used, text) = (new List<MarkedText>(), 0, format.Text);
        for (var place = 0; place < text.Length;)
        {
            var next = text.IndexOf('%', place);
            parts.Add(format.Slice(place, (next < 0 ? text.Length : next) - place, budget));
            if (next < 0)
                break;
            place = next + 1;
            budget.Step();
            budget.Items(1);
            parts.Add(Field(ref place));
        }
        return used == values.Count || (used == 0 && arguments is TemplateDictionary or TemplateList { Kind: TemplateListKind.List })
            ? MarkedText.Join(parts, budget)
            : throw new TemplateException("a format has more values than places.");

        MarkedText Field(ref int place)
        {
            string? name = null;
            if (place < text.Length && text[place] == '(')
            {
                var end = text.IndexOf(')', place);
                if (end < 0)
                    throw new TemplateException("a name in a format has no end.");
                (name, place) = (text[(place + 1)..end], end + 1);
            }
            var field = new TemplateFieldFormat();
            for (; place < text.Length && text[place] is '-' or '+' or ' ' or '0' or '#'; place++)
                Flag(field, text[place]);
            field.Width = TemplateFieldFormat.Digits(text, ref place) ?? 0;
            if (place < text.Length && text[place] == '.')
            {
                place++;
                field.Precision = TemplateFieldFormat.Digits(text, ref place) ?? 0;
            }
            var kind = place < text.Length ? text[place++] : throw new TemplateException("a format ends in '%'.");
            if (kind == '%')
                return format.Slice(place - 1, 1, budget);
            return Written(field, kind, name is null ? Next() : Named(name));
        }

        object? Next() => used < values.Count ? values[used++] : throw new TemplateException("a format has more places than values.");

        object? Named(string name) => arguments is TemplateDictionary members && members.TryGet(name, out var value)
            ? value
            : throw new TemplateException($"a format has no value '{name}'.");

        MarkedText Written(TemplateFieldFormat field, char kind, object? value)
        {
            switch (kind)
            {
                case 's' or 'r':
                    field.Align = field.Align == '<' ? '<' : '>';
                    field.Fill = " ";
                    return field.Text(kind == 's' ? TemplatePrinting.Text(value, budget) : MarkedText.Of(TemplatePrinting.Repr(value, budget), false), budget);
                case 'd' or 'i' or 'u':
                    field.Type = 'd';
                    return field.Number(value is double number ? TemplateNumbers.Truncated(number) : value, budget);
                case 'f' or 'F' or 'e' or 'E':
                    field.Type = kind;
                    return field.Number(TemplateNumbers.Float(value), budget);
                case 'x' or 'X' or 'o':
                    field.Type = kind;
                    return field.Number(TemplateNumbers.Whole(value), budget);
                default:
                    throw new TemplateException($"'%{kind}' of a format is not supported.");
            }
        }
    }

    private static void Flag(TemplateFieldFormat field, char flag)
    {
        switch (flag)
        {
            case '-':
                (field.Align, field.Fill) = ('<', " ");
                break;
            case '0' when field.Align != '<':
                (field.Align, field.Fill) = ('=', "0");
                break;
            case '#':
                field.IsAlternate = true;
                break;
            case '+':
                field.Sign = '+';
                break;
            case ' ' when field.Sign != '+':
                field.Sign = ' ';
                break;
            default:
                break;
        }
    }
}
