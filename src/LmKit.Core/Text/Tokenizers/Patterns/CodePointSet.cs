using System.Text;

namespace LmKit;

/// <summary>A set of characters, those beyond U+FFFF included.</summary>
/// <remarks>A bit for each character up to U+FFFF, sorted ranges above. Immutable.</remarks>
internal sealed class CodePointSet
{
    internal const int Limit = 0x110000;
    private const int Plane = 0x10000;
    private const int EmptyPlanes = 0x40000;
    private const int PlanesAfter = 0xe0000;

    internal static readonly CodePointSet Empty = Of();
    internal static readonly CodePointSet All = Empty.Not();

    private readonly ulong[] low;
    private readonly int[] high; // starts and ends by turns, an end is the first character outside

    private CodePointSet(ulong[] low, int[] high) => (this.low, this.high) = (low, high);

    /// <summary>The set of the ranges, both ends included.</summary>
    internal static CodePointSet Of(params ReadOnlySpan<(int First, int Last)> ranges)
    {
        var low = new ulong[Plane / 64];
        var above = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges)
        {
            for (var value = first; value <= last && value < Plane; value++)
                low[value >> 6] |= 1UL << value;
            if (last >= Plane)
                above.Add((Math.Max(first, Plane), last));
        }
        if (above.Count > 1)
            above.Sort();
        var borders = new List<int>();
        foreach (var (first, last) in above)
        {
            if (borders.Count > 0 && first <= borders[^1])
                borders[^1] = Math.Max(borders[^1], last + 1);
            else
                borders.AddRange([first, last + 1]);
        }
        return new CodePointSet(low, [.. borders]);
    }

    /// <summary>The characters of each kind; the kinds must not tell apart those of planes 4 to 13, where Unicode has none.</summary>
    /// <param name="count">How many kinds there are.</param>
    /// <param name="kindOf">The kind of a character.</param>
    internal static CodePointSet[] Kinds(int count, Func<int, int> kindOf)
    {
        var low = new ulong[count][];
        var borders = new List<int>[count];
        for (var kind = 0; kind < count; kind++)
            (low[kind], borders[kind]) = (new ulong[Plane / 64], []);
        for (var value = 0; value < Plane; value++)
            low[kindOf(value)][value >> 6] |= 1UL << value;
        var last = -1;
        for (var value = Plane; value < Limit; value = value == EmptyPlanes ? PlanesAfter : value + 1)
        {
            var kind = kindOf(value);
            if (kind == last)
                continue;
            if (last >= 0)
                borders[last].Add(value);
            borders[kind].Add(value);
            last = kind;
        }
        borders[last].Add(Limit);
        return [.. low.Zip(borders, (bits, ends) => new CodePointSet(bits, [.. ends]))];
    }

    internal bool Contains(int value) => value < Plane ? (low[value >> 6] >> value & 1) != 0 : IsHigh(value);

    /// <summary>Everything that is not in this set.</summary>
    internal CodePointSet Not()
    {
        var borders = new List<int>(high);
        if (borders.Count > 0 && borders[0] == Plane)
            borders.RemoveAt(0);
        else
            borders.Insert(0, Plane);
        if (borders.Count > 0 && borders[^1] == Limit)
            borders.RemoveAt(borders.Count - 1);
        else
            borders.Add(Limit);
        return new CodePointSet(Array.ConvertAll(low, bits => ~bits), [.. borders]);
    }

    internal CodePointSet Or(CodePointSet other)
    {
        var bits = new ulong[low.Length];
        for (var word = 0; word < bits.Length; word++)
            bits[word] = low[word] | other.low[word];
        return new CodePointSet(bits, Joined(other, (left, right) => left || right));
    }

    internal CodePointSet And(CodePointSet other)
    {
        var bits = new ulong[low.Length];
        for (var word = 0; word < bits.Length; word++)
            bits[word] = low[word] & other.low[word];
        return new CodePointSet(bits, Joined(other, (left, right) => left && right));
    }

    /// <summary>What is in one of the two sets only.</summary>
    internal CodePointSet Apart(CodePointSet other) => And(other.Not()).Or(other.And(Not()));

    internal IEnumerable<int> Members()
    {
        for (var value = 0; value < Plane; value++)
        {
            if (Contains(value))
                yield return value;
        }
        for (var border = 0; border < high.Length; border += 2)
        {
            for (var value = high[border]; value < high[border + 1]; value++)
                yield return value;
        }
    }

    /// <summary>Reads the character at a place and its length; half a pair is itself.</summary>
    internal static int At(ReadOnlySpan<char> text, int place, out int length)
    {
        var first = text[place];
        if (!char.IsHighSurrogate(first) || place + 1 >= text.Length || !char.IsLowSurrogate(text[place + 1]))
        {
            length = 1;
            return first;
        }
        length = 2;
        return char.ConvertToUtf32(first, text[place + 1]);
    }

    /// <summary>Reads the character before a place and its length.</summary>
    internal static int Before(ReadOnlySpan<char> text, int place, out int length)
    {
        length = place >= 2 && char.IsSurrogatePair(text[place - 2], text[place - 1]) ? 2 : 1;
        return length == 2 ? char.ConvertToUtf32(text[place - 2], text[place - 1]) : text[place - 1];
    }

    private bool IsHigh(int value)
    {
        var found = Array.BinarySearch(high, value);
        return ((found >= 0 ? found : ~found - 1) & 1) == 0 && high.Length > 0 && value >= high[0];
    }

    private int[] Joined(CodePointSet other, Func<bool, bool, bool> rule)
    {
        int[] places = [.. high.Concat(other.high).Order().Distinct()];
        var borders = new List<int>();
        foreach (var place in places)
        {
            var isIn = place < Limit && rule(IsHigh(place), other.IsHigh(place));
            if (isIn != (borders.Count % 2 == 1))
                borders.Add(place);
        }
        return [.. borders];
    }

    /// <summary>The same text at the same places, with halves of pairs replaced by U+FFFD.</summary>
    internal static ReadOnlySpan<char> WithoutHalves(ReadOnlySpan<char> text)
    {
        if (!text.ContainsAnyInRange('\ud800', '\udfff'))
            return text;
        var whole = true;
        for (var place = 0; place < text.Length && whole; place++)
        {
            whole = Rune.DecodeFromUtf16(text[place..], out _, out var length) == System.Buffers.OperationStatus.Done;
            place += length - 1;
        }
        if (whole)
            return text;
        var made = text.ToArray();
        for (var place = 0; place < made.Length; place++)
        {
            if (place + 1 < made.Length && char.IsSurrogatePair(made[place], made[place + 1]))
                place++;
            else if (char.IsSurrogate(made[place]))
                made[place] = '\ufffd';
        }
        return made;
    }
}
