namespace LmKit;

/// <summary>An object whose members a template may set from inside a loop.</summary>
internal sealed class TemplateNamespace(TemplateDictionary members)
{
    internal TemplateDictionary Members { get; } = members;
}
