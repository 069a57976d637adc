namespace LmKit;

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
