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

/// <summary>What a loop's body sees as <c>loop</c>.</summary>
internal sealed class TemplateLoop(IReadOnlyList<object?> items, int index, TemplateLoopMemory memory)
{
    internal object? Member(string name) => name switch
    {
        "index" => index + 1L,
        "index0" => (long)index,
        "first" => index == 0,
        "last" => index == items.Count - 1,
        "length" => (long)items.Count,
        "revindex" => (long)(items.Count - index),
        "revindex0" => (long)(items.Count - index - 1),
        "depth" => 1L, // of a loop that calls itself, which there is not
        "depth0" => 0L,
        "previtem" => index > 0 ? items[index - 1] : new TemplateUndefined("previtem"),
        "nextitem" => index + 1 < items.Count ? items[index + 1] : new TemplateUndefined("nextitem"),
        _ => new TemplateUndefined(name),
    };

    internal object? Call(TemplateCall call)
    {
        switch (call.Name)
        {
            case "cycle":
                call.TakesPositional(1, int.MaxValue);
                return call.Positional[index % call.Positional.Count];
            case "changed":
                call.TakesPositional(0, int.MaxValue);
                var now = new TemplateList(call.Positional);
                var isChanged = memory.Last is null || !TemplateEquality.Equal(memory.Last, now, call.Budget);
                memory.Last = now;
                return isChanged;
            default:
                throw new TemplateException($"a loop has no method '{call.Name}'.");
        }
    }
}

/// <summary>What <c>loop.changed</c> was asked last, in all rounds of one loop.</summary>
internal sealed class TemplateLoopMemory
{
    internal TemplateList? Last { get; set; }
}

/// <summary>An object whose members a template may set from inside a loop.</summary>
internal sealed class TemplateNamespace(TemplateDictionary members)
{
    internal TemplateDictionary Members { get; } = members;
}

/// <summary>A macro and the names it sees where it is written.</summary>
internal sealed record TemplateMacro(MacroNode Node, TemplateScope Scope);

/// <summary>The value of a name that nothing defines: prints as nothing, counts as false, has no members.</summary>
internal sealed record TemplateUndefined(string Name);
