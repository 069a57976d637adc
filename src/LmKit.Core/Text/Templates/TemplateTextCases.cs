using System.Text;

namespace LmKit;

/// <summary>Capital and small letters, as Python's strings have them.</summary>
internal static class TemplateTextCases
{
    internal static MarkedText Upper(MarkedText text, TemplateBudget budget)
    {
        budget.Text(text.Length);
        return text.Changed(TemplateCharacters.Upper(text.Text), budget);
    }

    internal static MarkedText Lower(MarkedText text, TemplateBudget budget)
    {
        budget.Text(text.Length);
        return text.Changed(TemplateCharacters.Lower(text.Text), budget);
    }

    internal static MarkedText Capitalize(MarkedText text, TemplateBudget budget)
    {
        if (text.Length == 0)
            return text;
        budget.Text(text.Length);
        var first = char.IsHighSurrogate(text.Text[0]) && text.Length > 1 ? 2 : 1;
        return text.Changed(TemplateCharacters.Title(text.Text[..first]) + TemplateCharacters.Lower(text.Text[first..]), budget);
    }

    /// <summary>The method <c>title</c>: a capital behind everything that has no case.</summary>
    internal static MarkedText Title(MarkedText text, TemplateBudget budget)
    {
        budget.Text(text.Length);
        budget.Read(16L * text.Length);
        var titled = new StringBuilder();
        var isInside = false;
        foreach (var point in TemplateCharacters.Of(text.Text))
        {
            var letter = TemplateCharacters.Text(point);
            _ = titled.Append(isInside ? TemplateCharacters.Lower(letter) : TemplateCharacters.Title(letter));
            isInside = TemplateCharacters.HasCase(point);
        }
        return text.Changed(titled.ToString(), budget);
    }

    /// <summary>The filter <c>title</c>: a capital behind blanks, hyphens and opening brackets only.</summary>
    internal static MarkedText TitleOfFilter(MarkedText text, TemplateBudget budget)
    {
        budget.Text(text.Length);
        budget.Read(16L * text.Length);
        var titled = new StringBuilder();
        var isInside = false;
        foreach (var point in TemplateCharacters.Of(text.Text))
        {
            var letter = TemplateCharacters.Text(point);
            _ = titled.Append(isInside ? TemplateCharacters.Lower(letter) : TemplateCharacters.Upper(letter));
            isInside = !(point is '-' or '(' or '{' or '[' or '<' || (point < 0x10000 && MarkedText.IsBlank((char)point)));
        }
        return text.Changed(titled.ToString(), budget);
    }

    internal static MarkedText SwapCase(MarkedText text, TemplateBudget budget)
    {
        budget.Text(text.Length);
        budget.Read(16L * text.Length);
        var swapped = new StringBuilder();
        foreach (var point in TemplateCharacters.Of(text.Text))
        {
            var letter = TemplateCharacters.Text(point);
            _ = swapped.Append(TemplateCharacters.IsUpper(point) ? TemplateCharacters.Lower(letter) : TemplateCharacters.Upper(letter));
        }
        return text.Changed(swapped.ToString(), budget);
    }
}

/// <summary>The methods of texts that ask something of every character.</summary>
internal static class TemplateTextQuestions
{
    internal static object Holds(MarkedText text, TemplateCall call)
    {
        Func<int, bool>? each = call.Name switch
        {
            "isalpha" => TemplateCharacters.IsLetter,
            "isdecimal" => TemplateCharacters.IsDecimal,
            "isdigit" => TemplateCharacters.IsDigit,
            "isnumeric" => TemplateCharacters.IsNumeric,
            "isalnum" => point => TemplateCharacters.IsLetter(point) || TemplateCharacters.IsNumeric(point),
            "isspace" => point => point < 0x10000 && MarkedText.IsBlank((char)point),
            "isascii" or "isprintable" => point => call.Name == "isascii" ? point < 128 : TemplateCharacters.IsPrintable(point),
            "islower" or "isupper" => null,
            _ => throw new TemplateException($"a text has no method '{call.Name}'."),
        };
        call.TakesPositional(0, 0);
        call.Budget.Read(16L * text.Length);
        return each is null ? TemplateMethods.IsCased(text, call.Name == "isupper", call.Budget)
            : TemplateCharacters.Of(text.Text).All(each) && (text.Length > 0 || call.Name is "isascii" or "isprintable");
    }
}
