namespace LmKit;

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
