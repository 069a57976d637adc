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

/// <summary>An expression of a parsed template.</summary>
internal abstract record TemplateExpression
{
    /// <summary>How many levels of expressions it has, itself included.</summary>
    internal int Depth { get; set; } = 1;

    /// <summary>Whether a function, macro or method is called in it.</summary>
    internal bool Calls { get; set; }
}

internal sealed record ConstantExpression(object? Value) : TemplateExpression;

internal sealed record NameExpression(string Name) : TemplateExpression;

internal sealed record ListExpression(IReadOnlyList<TemplateExpression> Items, bool IsTuple) : TemplateExpression;

internal sealed record DictionaryExpression(IReadOnlyList<(TemplateExpression Key, TemplateExpression Value)> Items) : TemplateExpression;

internal sealed record UnaryExpression(string Operator, TemplateExpression Value) : TemplateExpression;

internal sealed record BinaryExpression(string Operator, TemplateExpression Left, TemplateExpression Right) : TemplateExpression;

/// <summary>All that stands between signs of <c>and</c>, or of <c>or</c>.</summary>
internal sealed record LogicalExpression(bool IsAnd, IReadOnlyList<TemplateExpression> Parts) : TemplateExpression;

/// <summary>Comparisons that are written in one chain, each with its right side.</summary>
internal sealed record ComparisonExpression(TemplateExpression First, IReadOnlyList<(string Operator, TemplateExpression Right)> Rest) : TemplateExpression;

/// <summary>All that stands between signs of <c>~</c>.</summary>
internal sealed record JoinExpression(IReadOnlyList<TemplateExpression> Parts) : TemplateExpression;

internal sealed record ConditionalExpression(TemplateExpression Value, TemplateExpression Test, TemplateExpression? Otherwise) : TemplateExpression;

internal sealed record MemberExpression(TemplateExpression Value, string Name) : TemplateExpression;

internal sealed record IndexExpression(TemplateExpression Value, TemplateExpression Index) : TemplateExpression;

internal sealed record SliceExpression(TemplateExpression Value, TemplateExpression? Start, TemplateExpression? Stop, TemplateExpression? Step) : TemplateExpression;

internal sealed record CallExpression(TemplateExpression Callee, TemplateArguments Arguments) : TemplateExpression;

internal sealed record FilterExpression(TemplateExpression Value, string Name, TemplateArguments Arguments) : TemplateExpression;

internal sealed record TestExpression(TemplateExpression Value, string Name, TemplateArguments Arguments, bool IsNegated) : TemplateExpression;

internal sealed record TemplateArguments(IReadOnlyList<TemplateExpression> Positional, IReadOnlyList<(string Name, TemplateExpression Value)> Named)
{
    internal static readonly TemplateArguments None = new([], []);

    internal IEnumerable<TemplateExpression> All => Positional.Concat(Named.Select(argument => argument.Value));
}
