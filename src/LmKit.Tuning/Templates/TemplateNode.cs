namespace LmKit;

/// <summary>A node of a parsed template.</summary>
/// <param name="Line">The line where it begins.</param>
internal abstract record TemplateNode(int Line);

internal sealed record TextNode(int Line, MarkedText Text) : TemplateNode(Line);

internal sealed record OutputNode(int Line, TemplateExpression Value) : TemplateNode(Line);

internal sealed record ForNode(int Line, IReadOnlyList<string> Targets, TemplateExpression Items, TemplateExpression? Filter, IReadOnlyList<TemplateNode> Body, IReadOnlyList<TemplateNode> Otherwise) : TemplateNode(Line);

internal sealed record IfNode(int Line, IReadOnlyList<(TemplateExpression Test, IReadOnlyList<TemplateNode> Body)> Branches, IReadOnlyList<TemplateNode> Otherwise) : TemplateNode(Line);

internal sealed record SetNode(int Line, IReadOnlyList<string> Targets, string? Member, TemplateExpression Value) : TemplateNode(Line);

internal sealed record SetBlockNode(int Line, string Target, IReadOnlyList<TemplateNode> Body) : TemplateNode(Line);

internal sealed record MacroNode(int Line, string Name, IReadOnlyList<(string Name, TemplateExpression? Default)> Parameters, IReadOnlyList<TemplateNode> Body) : TemplateNode(Line);

internal sealed record GenerationNode(int Line, IReadOnlyList<TemplateNode> Body) : TemplateNode(Line);

internal sealed record BreakNode(int Line) : TemplateNode(Line);

internal sealed record ContinueNode(int Line) : TemplateNode(Line);
