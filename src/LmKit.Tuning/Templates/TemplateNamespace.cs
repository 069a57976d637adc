namespace LmKit;

/// <summary>An object whose members a template may set from inside a loop.</summary>
internal sealed record TemplateNamespace(Dictionary<string, object?> Members);
