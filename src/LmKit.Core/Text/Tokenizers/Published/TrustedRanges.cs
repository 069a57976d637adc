namespace LmKit;

/// <summary>The parts of a text that its writer is trusted with: special tokens there are meant.</summary>
/// <param name="ranges">Where they are, in their order.</param>
/// <param name="guarded">Ids of further tokens that may stand nowhere else; null for none.</param>
internal sealed class TrustedRanges(IEnumerable<(int Start, int End)> ranges, IReadOnlySet<int>? guarded = null)
{
    private const int MostSteps = 8;

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

    /// <summary>Whether a token may stand in trusted parts only.</summary>
    internal bool Guards(AddedToken token) => token.IsSpecial || guarded?.Contains(token.Id) is true;

    /// <summary>The trusted parts of a stretch of the text after a normalizer; where it changes characters across a border, a part loses those.</summary>
    /// <param name="normalizer">The normalizer.</param>
    /// <param name="text">The stretch.</param>
    /// <param name="offset">Where it stands.</param>
    /// <param name="normal">What the normalizer makes of it.</param>
    internal TrustedRanges Through(TextNormalizer normalizer, string text, int offset, string normal)
    {
        var mapped = new List<(int Start, int End)>();
        foreach (var range in ranges)
        {
            var (start, end) = (Math.Max(range.Start - offset, 0), Math.Min(range.End - offset, text.Length));
            if (start < end && Place(start, end) is { } from && Place(end, start) is { } to && to > from)
                mapped.Add((from, to));
        }
        return new TrustedRanges(mapped, guarded);

        // What stands before a border, normalized alone, is the beginning of all: then its length is the border's place.
        int? Place(int border, int other)
        {
            for (var step = 0; step < MostSteps && border != other; step++, border += Math.Sign(other - border))
            {
                if (border == 0 || border == text.Length)
                    return border == 0 ? 0 : normal.Length;
                var ignored = 0;
                if (!char.IsLowSurrogate(text[border]) && normalizer.Apply(text[..border], ref ignored) is var before && normal.StartsWith(before, StringComparison.Ordinal))
                    return before.Length;
            }
            return null;
        }
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
