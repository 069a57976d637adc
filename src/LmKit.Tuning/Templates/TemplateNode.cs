namespace LmKit;

/// <summary>A node of a parsed template.</summary>
internal abstract record TemplateNode;

internal sealed record TextNode(MarkedText Text) : TemplateNode;

internal sealed record OutputNode(TemplateExpression Value) : TemplateNode;

internal sealed record ForNode(IReadOnlyList<string> Targets, TemplateExpression Items, TemplateExpression? Filter, IReadOnlyList<TemplateNode> Body, IReadOnlyList<TemplateNode> Otherwise) : TemplateNode;

internal sealed record IfNode(IReadOnlyList<(TemplateExpression Test, IReadOnlyList<TemplateNode> Body)> Branches, IReadOnlyList<TemplateNode> Otherwise) : TemplateNode;

internal sealed record SetNode(IReadOnlyList<string> Targets, string? Member, TemplateExpression Value) : TemplateNode;

internal sealed record SetBlockNode(string Target, IReadOnlyList<TemplateNode> Body) : TemplateNode;

internal sealed record MacroNode(string Name, IReadOnlyList<(string Name, TemplateExpression? Default)> Parameters, IReadOnlyList<TemplateNode> Body) : TemplateNode;

internal sealed record GenerationNode(IReadOnlyList<TemplateNode> Body) : TemplateNode;

internal sealed record BreakNode : TemplateNode;

internal sealed record ContinueNode : TemplateNode;
