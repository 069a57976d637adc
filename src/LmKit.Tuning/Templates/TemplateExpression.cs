namespace LmKit;

/// <summary>An expression of a parsed template.</summary>
internal abstract record TemplateExpression;

internal sealed record ConstantExpression(object? Value) : TemplateExpression;

internal sealed record NameExpression(string Name) : TemplateExpression;

internal sealed record ListExpression(IReadOnlyList<TemplateExpression> Items) : TemplateExpression;

internal sealed record DictionaryExpression(IReadOnlyList<(TemplateExpression Key, TemplateExpression Value)> Items) : TemplateExpression;

internal sealed record UnaryExpression(string Operator, TemplateExpression Value) : TemplateExpression;

internal sealed record BinaryExpression(string Operator, TemplateExpression Left, TemplateExpression Right) : TemplateExpression;

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
}
