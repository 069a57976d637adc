namespace LmKit;

/// <summary>A macro and the names it sees where it is written.</summary>
internal sealed record TemplateMacro(MacroNode Node, TemplateScope Scope);
