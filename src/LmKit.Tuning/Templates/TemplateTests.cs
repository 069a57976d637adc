namespace LmKit;

/// <summary>The tests that templates may ask with <c>is</c>.</summary>
internal static class TemplateTests
{
    internal static bool Holds(object? value, TemplateCall call) => call.Name switch
    {
        "truth" => TemplateValues.IsTrue(value),
        "defined" => value is not TemplateUndefined,
        "undefined" => value is TemplateUndefined,
        "none" => value is null,
        "string" => value is MarkedText,
        "mapping" => value is Dictionary<string, object?>,
        "sequence" or "iterable" => value is List<object?> or MarkedText or Dictionary<string, object?>,
        "number" => value is long or double or bool,
        "integer" => value is long,
        "float" => value is double,
        "boolean" => value is bool,
        "true" => value is true,
        "false" => value is false,
        "equalto" or "eq" or "==" => TemplateValues.Equals(value, call.Get(0, "other")),
        "ne" or "!=" => !TemplateValues.Equals(value, call.Get(0, "other")),
        "in" => TemplateValues.Contains(call.Get(0, "seq"), value),
        "odd" => TemplateValues.Whole(value) % 2 != 0,
        "even" => TemplateValues.Whole(value) % 2 == 0,
        "divisibleby" => TemplateValues.Whole(value) % TemplateValues.Whole(call.Get(0, "num")) == 0,
        _ => throw new TemplateException($"the test '{call.Name}' is not supported."),
    };
}
