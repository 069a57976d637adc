namespace LmKit;

/// <summary>The parts of a text that its writer is trusted with: special tokens there are meant.</summary>
internal sealed class TrustedRanges(IEnumerable<(int Start, int End)> ranges)
{
    /// <summary>Nothing is trusted.</summary>
    internal static readonly TrustedRanges None = new([]);

    private readonly (int Start, int End)[] ranges = Joined(ranges);

    /// <summary>Whether all characters between two places are trusted.</summary>
    internal bool Holds(int start, int end)
    {
        var (low, high) = (0, ranges.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (ranges[middle].End < end)
                low = middle + 1;
            else
                high = middle;
        }
        return low < ranges.Length && ranges[low].Start <= start;
    }

    private static (int Start, int End)[] Joined(IEnumerable<(int Start, int End)> ranges)
    {
        var joined = new List<(int Start, int End)>();
        foreach (var range in ranges)
        {
            if (joined.Count > 0 && joined[^1].End == range.Start)
                joined[^1] = (joined[^1].Start, range.End);
            else if (range.End > range.Start)
                joined.Add(range);
        }
        return [.. joined];
    }
}
