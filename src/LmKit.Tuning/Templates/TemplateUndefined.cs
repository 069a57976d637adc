namespace LmKit;

/// <summary>The value of a name that nothing defines: prints as nothing, counts as false, has no members.</summary>
internal sealed record TemplateUndefined(string Name);
