using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Values of a template as text: as Python's <c>str</c> and <c>repr</c> write them, and as JSON.</summary>
internal static class TemplatePrinting
{
    internal static MarkedText Text(object? value, TemplateBudget budget)
    {
        switch (value)
        {
            case MarkedText text:
                return text;
            case TemplateUndefined:
                return MarkedText.Empty;
            case null:
                return MarkedText.Trusted("None");
            case bool flag:
                return MarkedText.Trusted(flag ? "True" : "False");
            case long whole:
                budget.Text(20);
                return MarkedText.Trusted(whole.ToString(CultureInfo.InvariantCulture));
            case double number:
                budget.Text(24);
                return MarkedText.Trusted(TemplateNumbers.Print(number));
            default:
                return MarkedText.Of(Repr(value, budget), false);
        }
    }

    internal static string Repr(object? value, TemplateBudget budget)
    {
        var text = new StringBuilder();
        Repr(value, text, budget, 0);
        return text.ToString();
    }

    internal static string Json(object? value, TemplateJsonOptions options, TemplateBudget budget)
    {
        var text = new StringBuilder();
        Json(value, text, options, budget, 0);
        return text.ToString();
    }

    private static void Repr(object? value, StringBuilder text, TemplateBudget budget, int level)
    {
        budget.Descend(level);
        switch (value)
        {
            case MarkedText quoted:
                budget.Text(quoted.Length);
                Append(text, Quoted(quoted.Text), budget);
                break;
            case TemplateList { Bounds: { } bounds }:
                Append(text, bounds.Step == 1 ? $"range({bounds.Start}, {bounds.Stop})" : $"range({bounds.Start}, {bounds.Stop}, {bounds.Step})", budget);
                break;
            case TemplateList { Kind: not TemplateListKind.Lazy } list:
                var (open, close) = list.Kind switch
                {
                    TemplateListKind.List => ("[", "]"),
                    TemplateListKind.Keys => ("dict_keys([", "])"),
                    TemplateListKind.Values => ("dict_values([", "])"),
                    TemplateListKind.Pairs => ("dict_items([", "])"),
                    _ => ("(", list.Count == 1 ? ",)" : ")"),
                };
                Append(text, open, budget);
                for (var index = 0; index < list.Count; index++)
                {
                    Append(text, index > 0 ? ", " : "", budget);
                    Repr(list.Items[index], text, budget, level + 1);
                }
                Append(text, close, budget);
                break;
            case TemplateDictionary members:
                Append(text, "{", budget);
                foreach (var (index, (key, item)) in members.Entries.Index())
                {
                    Append(text, index > 0 ? ", " : "", budget);
                    Repr(key, text, budget, level + 1);
                    Append(text, ": ", budget);
                    Repr(item, text, budget, level + 1);
                }
                Append(text, "}", budget);
                break;
            case TemplateUndefined:
                Append(text, "Undefined", budget);
                break;
            case null or bool or long or double:
                Append(text, Text(value, budget).Text, budget);
                break;
            default:
                throw new TemplateException($"{TemplateValues.Kind(value)} cannot be printed.");
        }
    }

    private static void Json(object? value, StringBuilder text, TemplateJsonOptions options, TemplateBudget budget, int level)
    {
        budget.Descend(level);
        switch (value)
        {
            case MarkedText quoted:
                budget.Text(quoted.Length);
                Append(text, options.Quoted(quoted.Text), budget);
                break;
            case TemplateList { IsSequence: true, Kind: not TemplateListKind.Range } list:
                Several("[", "]", list.Items, item => Json(item, text, options, budget, level + 1));
                break;
            case TemplateDictionary members:
                IReadOnlyList<(object? Key, object? Value)> entries = options.SortsKeys
                    ? TemplateEquality.Sorted(members.Entries, entry => entry.Key, false, budget)
                    : members.Entries;
                Several("{", "}", entries, entry =>
                {
                    Append(text, options.Quoted(Key(entry.Key, budget)) + options.AfterKey, budget);
                    Json(entry.Value, text, options, budget, level + 1);
                });
                break;
            case null or bool or long or double:
                Append(text, Plain(value, budget), budget);
                break;
            default:
                throw new TemplateException($"{TemplateValues.Kind(value)} cannot become JSON.");
        }

        void Several<T>(string open, string close, IReadOnlyList<T> items, Action<T> write)
        {
            Append(text, open, budget);
            for (var index = 0; index < items.Count; index++)
            {
                Append(text, index > 0 ? options.Between : "", budget);
                Append(text, options.Margin(level + 1), budget);
                write(items[index]);
            }
            Append(text, items.Count > 0 ? options.Margin(level) : "", budget);
            Append(text, close, budget);
        }
    }

    private static string Plain(object? value, TemplateBudget budget) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        double number when !double.IsFinite(number) => double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity",
        _ => Text(value, budget).Text,
    };

    private static string Key(object? key, TemplateBudget budget) => key is MarkedText text ? text.Text : Plain(key, budget);

    private static void Append(StringBuilder text, string part, TemplateBudget budget)
    {
        if (part.Length == 0)
            return;
        if (text.Length + part.Length > TemplateBudget.LongestText)
            throw new TemplateException($"a printed value is longer than the {TemplateBudget.LongestText} characters that are allowed.");
        budget.Memory(4L * part.Length); // the builder's and the finished text's
        budget.Read(part.Length);
        _ = text.Append(part);
    }

    private static string Quoted(string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var made = new StringBuilder(text.Length + 2).Append(quote);
        foreach (var rune in TemplateCharacters.Of(text))
        {
            _ = rune switch
            {
                '\n' => made.Append("\\n"),
                '\r' => made.Append("\\r"),
                '\t' => made.Append("\\t"),
                '\\' => made.Append("\\\\"),
                _ when rune == quote => made.Append('\\').Append(quote),
                _ when TemplateCharacters.IsPrintable(rune) => made.Append(TemplateCharacters.Text(rune)),
                < 0x100 => made.Append(CultureInfo.InvariantCulture, $"\\x{rune:x2}"),
                < 0x10000 => made.Append(CultureInfo.InvariantCulture, $"\\u{rune:x4}"),
                _ => made.Append(CultureInfo.InvariantCulture, $"\\U{rune:x8}"),
            };
        }
        return made.Append(quote).ToString();
    }
}
