namespace LmKit;

/// <summary>Splits at matches, or between them where it is inverted.</summary>
internal abstract class MatchSplitter(SplitBehavior behavior, bool isInverted) : TextSplitter
{
    protected abstract void Find(ReadOnlySpan<char> text, List<(int Start, int End)> matches);

    internal sealed override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        matches.Clear();
        Find(text, matches);
        if (behavior == SplitBehavior.Isolated)
        {
            var from = 0;
            foreach (var (start, end) in matches)
            {
                parts.Add(from, start);
                parts.Add(start, end);
                from = end;
            }
            parts.Add(from, text.Length);
            return;
        }
        var all = new List<(int Start, int End, bool IsMatch)>(2 * matches.Count + 1);
        var at = 0;
        foreach (var (start, end) in matches)
        {
            if (at != start)
                all.Add((at, start, isInverted));
            all.Add((start, end, !isInverted));
            at = end;
        }
        if (at != text.Length)
            all.Add((at, text.Length, isInverted));
        switch (behavior)
        {
            case SplitBehavior.Removed:
                foreach (var (start, end, isMatch) in all)
                {
                    if (!isMatch)
                        parts.Add(start, end);
                }
                break;
            case SplitBehavior.Contiguous:
                for (var first = 0; first < all.Count;)
                {
                    var last = first;
                    while (last + 1 < all.Count && all[last + 1].IsMatch == all[first].IsMatch)
                        last++;
                    parts.Add(all[first].Start, all[last].End);
                    first = last + 1;
                }
                break;
            case SplitBehavior.MergedWithPrevious:
                for (var first = 0; first < all.Count;)
                {
                    // Of neighbouring matches only the first ends the piece before it.
                    var joins = first + 1 < all.Count && all[first + 1].IsMatch && !all[first].IsMatch;
                    parts.Add(all[first].Start, all[first + (joins ? 1 : 0)].End);
                    first += joins ? 2 : 1;
                }
                break;
            default:
                for (var first = 0; first < all.Count;)
                {
                    var joins = first + 1 < all.Count && all[first].IsMatch && !all[first + 1].IsMatch;
                    parts.Add(all[first].Start, all[first + (joins ? 1 : 0)].End);
                    first += joins ? 2 : 1;
                }
                break;
        }
    }
}
