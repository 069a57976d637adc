namespace LmKit;

/// <summary>Letters that differ only in case.</summary>
internal static class CharacterCases
{
    private static readonly Lazy<Dictionary<int, int[]>> Equal = new(Build);

    /// <summary>The set with all cases of its letters.</summary>
    internal static CodePointSet Closed(CodePointSet set)
    {
        var more = new List<(int, int)>();
        foreach (var (value, others) in Equal.Value)
        {
            if (set.Contains(value))
                more.AddRange(others.Select(other => (other, other)));
        }
        return set.Or(CodePointSet.Of([.. more]));
    }

    private static Dictionary<int, int[]> Build()
    {
        var groups = new Dictionary<int, List<int>>();
        for (var value = 0; value < 0x1f000; value++)
        {
            if (value is >= 0xd800 and <= 0xdfff || Fold(value) is not { } key)
                continue;
            if (!groups.TryGetValue(key, out var group))
                groups[key] = group = [key];
            if (value != key)
                group.Add(value);
        }
        return groups.Values.Where(group => group.Count > 1).SelectMany(group => group.Select(value => (value, Others: group.Where(other => other != value).ToArray()))).ToDictionary(pair => pair.value, pair => pair.Others);
    }

    // Unicode's simple folding, where .NET's invariant letters differ from it named apart.
    private static int? Fold(int value) => value switch
    {
        0x17f => 's',
        0x1e9e => 0xdf,
        0x130 or 0x131 => null,
        0x345 or 0x1fbe => 0x3b9,
        0x3c2 => 0x3c3,
        0x1fd3 => 0x390,
        0x1fe3 => 0x3b0,
        0xfb05 => 0xfb06,
        // Letters of Unicode 16, which the system's tables may lack.
        0x19b or 0xa7dc => 0x19b,
        0x264 or 0xa7cb => 0x264,
        0x1c89 or 0x1c8a => 0x1c8a,
        0xa7cc or 0xa7cd => 0xa7cd,
        0xa7da or 0xa7db => 0xa7db,
        >= 0x10d50 and <= 0x10d65 => value + 0x20,
        >= 0x10d70 and <= 0x10d85 => value,
        _ => Lower(Upper(value)) is var folded && (folded != value || Lower(value) != value || Upper(value) != value) ? folded : null,
    };

    private static int Upper(int value) => System.Text.Rune.ToUpperInvariant(new(value)).Value;

    private static int Lower(int value) => System.Text.Rune.ToLowerInvariant(new(value)).Value;
}
