namespace LmKit;

/// <summary>Characters of a rendered chat that have one origin.</summary>
/// <param name="Text">The characters.</param>
/// <param name="IsTemplate">Whether the template wrote them; only then may they become special tokens.</param>
public sealed record ChatTextRun(string Text, bool IsTemplate);
