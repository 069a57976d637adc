namespace LmKit.Conformance;

/// <summary>Counts the entries other than zero that a golden check compares, on the thread that runs it.</summary>
internal static class Comparisons
{
    [ThreadStatic]
    private static long count;

    /// <summary>Runs a check and tells how many entries it compared.</summary>
    internal static long During(Action check)
    {
        var before = count;
        check();
        return count - before;
    }

    /// <summary>Notes compared entries that say something: none and zero agree with anything that does nothing.</summary>
    internal static void Note(long entries) => count += entries;
}
