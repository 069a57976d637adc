namespace LmKit;

/// <summary>The tests that templates may ask with <c>is</c>.</summary>
internal static class TemplateTests
{
    private static readonly string[] Known =
    [
        "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "==", "even", "false", "filter", "float", "ge", ">=", "greaterthan", "gt", ">", "in", "integer",
        "iterable", "le", "<=", "lessthan", "lt", "<", "lower", "mapping", "ne", "!=", "none", "number", "odd", "sameas", "sequence", "string", "test", "true", "undefined", "upper",
    ];

    internal static bool Holds(object? value, TemplateCall call)
    {
        call.Budget.Step();
        switch (call.Name)
        {
            case "eq" or "equalto" or "==" or "ne" or "!=" or "lt" or "lessthan" or "<" or "le" or "<=" or "gt" or "greaterthan" or ">" or "ge" or ">=":
                var sign = call.Name switch { "eq" or "equalto" => "==", "ne" => "!=", "lt" or "lessthan" => "<", "le" => "<=", "gt" or "greaterthan" => ">", "ge" => ">=", var own => own };
                return (bool)TemplateArithmetic.Apply(sign, value, One(), call.Budget)!;
            case "in":
                return TemplateEquality.Contains(One(), value, call.Budget);
            case "divisibleby":
                return TemplateNumbers.Compare(TemplateArithmetic.Remainder(value, One()), 0L) == 0;
            case "sameas":
                var other = One();
                return value is null or bool || other is null or bool ? Equals(value, other)
                    : value is MarkedText or long or double ? throw new TemplateException("sameas is not supported for texts and numbers; take '=='.")
                    : ReferenceEquals(value, other);
            default:
                if (call.Positional.Count > 0 || call.Named.Count > 0)
                    throw new TemplateException(Array.IndexOf(Known, call.Name) < 0 ? $"the test '{call.Name}' is not supported." : $"the test '{call.Name}' takes no arguments.");
                return Plain(value, call);
        }

        object? One()
        {
            call.TakesPositional(1, 1);
            return call.Positional[0];
        }
    }

    private static bool Plain(object? value, TemplateCall call) => call.Name switch
    {
        "defined" => value is not TemplateUndefined,
        "undefined" => value is TemplateUndefined,
        "none" => value is null,
        "string" => value is MarkedText,
        "mapping" => value is TemplateDictionary,
        "sequence" => value is MarkedText or TemplateDictionary or TemplateUndefined or TemplateList { IsSequence: true },
        "iterable" => value is TemplateList or MarkedText or TemplateDictionary or TemplateUndefined,
        "number" => TemplateNumbers.IsNumber(value),
        "integer" => value is long,
        "float" => value is double,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "callable" => value is TemplateMacro or TemplateUndefined,
        "odd" => TemplateNumbers.Compare(TemplateArithmetic.Remainder(value, 2L), 1L) == 0,
        "even" => TemplateNumbers.Compare(TemplateArithmetic.Remainder(value, 2L), 0L) == 0,
        "lower" => TemplateMethods.IsCased(TemplatePrinting.Text(value, call.Budget), isUpper: false, call.Budget),
        "upper" => TemplateMethods.IsCased(TemplatePrinting.Text(value, call.Budget), isUpper: true, call.Budget),
        "filter" => value is MarkedText filter && TemplateFilters.IsKnown(filter.Text),
        "test" => value is MarkedText test && Array.IndexOf(Known, test.Text) >= 0,
        _ => throw new TemplateException($"the test '{call.Name}' is not supported."),
    };
}
