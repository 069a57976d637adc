namespace LmKit;

/// <summary>A list of a template, or what acts as one; it never changes.</summary>
/// <remarks>A tuple is told from a list because it prints and compares differently. What filters and methods give one by one
/// (<see cref="TemplateListKind.Lazy"/>) is kept as items, but like Jinja's generators has no length, no index and no print.</remarks>
internal sealed class TemplateList(IReadOnlyList<object?> items, TemplateListKind kind = TemplateListKind.List)
{
    internal static readonly TemplateList Empty = new([]);

    internal IReadOnlyList<object?> Items { get; } = items;

    internal TemplateListKind Kind { get; } = kind;

    /// <summary>What a range was made of.</summary>
    internal (long Start, long Stop, long Step)? Bounds { get; init; }

    internal int Count => Items.Count;

    internal bool IsSequence => Kind is TemplateListKind.List or TemplateListKind.Tuple or TemplateListKind.Group or TemplateListKind.Range;

    internal static TemplateList Tuple(params object?[] items) => new(items, TemplateListKind.Tuple);
}

/// <summary>The kinds of lists.</summary>
internal enum TemplateListKind
{
    List,
    Tuple,
    Group, // a tuple of groupby: grouper and list
    Range,
    Keys,
    Values,
    Pairs,
    Lazy,
}
