namespace LmKit;

/// <summary>Which slots of a cache one new token sees.</summary>
/// <param name="Position">The token's position.</param>
/// <param name="Far">Slots seen at the mask's ceiling.</param>
/// <param name="Near">Slots seen at their true distance.</param>
internal sealed record SeenKeys(long Position, IReadOnlyList<KeyRun> Far, IReadOnlyList<KeyRun> Near)
{
    /// <summary>Far keys.</summary>
    internal int FarCount { get; } = Far.Sum(run => run.Length);

    /// <summary>All keys.</summary>
    internal int Count { get; } = Far.Sum(run => run.Length) + Near.Sum(run => run.Length);

    /// <summary>What a call's new tokens see: row after row, column after column; one row while the rows are alike.</summary>
    /// <param name="slots">All slots, the new tokens' included.</param>
    /// <param name="layout">The new tokens.</param>
    /// <param name="reach">The mask.</param>
    /// <param name="longest">Slots of a run at most.</param>
    internal static SeenKeys[] Of(KeySlots slots, SequenceLayout layout, MaskReach reach, int longest = int.MaxValue)
    {
        var rows = slots.IsUniform ? 1 : (int)layout.Batch;
        var seen = new SeenKeys[rows * (int)layout.Length];
        for (var index = 0; index < seen.Length; index++)
        {
            var (row, column) = (index / (int)layout.Length, index % (int)layout.Length);
            var whole = slots.IsUniform
                ? Ascending(slots.Positions(0), layout.Position(0, column), reach)
                : Ragged(slots, row, layout.Position(row, column), layout.Segment(row, column), reach);
            seen[index] = longest == int.MaxValue ? whole : whole with { Far = Cut(whole.Far, longest), Near = Cut(whole.Near, longest) };
        }
        return seen;
    }

    private static List<KeyRun> Cut(IReadOnlyList<KeyRun> runs, int longest)
    {
        var pieces = new List<KeyRun>();
        foreach (var run in runs)
        {
            for (var at = 0; at < run.Length; at += longest)
                pieces.Add(new KeyRun(run.Start + at, Math.Min(longest, run.Length - at)));
        }
        return pieces;
    }

    private static SeenKeys Ascending(ReadOnlySpan<long> positions, long position, MaskReach reach)
    {
        var end = Before(positions, position + 1);
        var near = Math.Min(end, Before(positions, position - reach.Window + 1));
        var far = Math.Min(near, reach.Starts == 0 ? 0 : Before(positions, reach.Starts));
        KeyRun[] starts = far > 0 ? [new KeyRun(0, far)] : [], last = end > near ? [new KeyRun(near, end - near)] : [];
        return reach.Far == FarDistance.True ? new SeenKeys(position, [], [.. starts, .. last]) : new SeenKeys(position, starts, last);
    }

    private static SeenKeys Ragged(KeySlots slots, int row, long position, long document, MaskReach reach)
    {
        var (far, near) = (new List<KeyRun>(), new List<KeyRun>());
        var positions = slots.Positions(row);
        var documents = slots.Documents(row);
        for (var slot = 0; slot < positions.Length && document >= 0; slot++)
        {
            var distance = position - positions[slot];
            if (documents[slot] != document || distance < 0)
                continue;
            if (distance < reach.Window)
                Add(near, slot);
            else if (positions[slot] < reach.Starts)
                Add(reach.Far == FarDistance.True ? near : far, slot);
        }
        return new SeenKeys(position, far, near);
    }

    private static void Add(List<KeyRun> runs, int slot)
    {
        if (runs.Count > 0 && runs[^1] is var last && last.Start + last.Length == slot)
            runs[^1] = last with { Length = last.Length + 1 };
        else
            runs.Add(new KeyRun(slot, 1));
    }

    private static int Before(ReadOnlySpan<long> positions, long position)
    {
        var index = positions.BinarySearch(position);
        return index < 0 ? ~index : index;
    }
}

/// <summary>Neighbouring slots of a cache that one query sees alike.</summary>
/// <param name="Start">The first slot.</param>
/// <param name="Length">How many.</param>
internal readonly record struct KeyRun(int Start, int Length);
