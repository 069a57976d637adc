namespace LmKit.House;

/// <summary>How long source files are.</summary>
internal static class FileLengths
{
    /// <summary>A file of so many lines, or fewer, is small.</summary>
    internal const int SmallFile = 20;

    /// <summary>The smallest value that so many percent of the values do not exceed; 0 of none.</summary>
    internal static int Percentile(IReadOnlyList<int> ascending, int percent) =>
        ascending.Count == 0 ? 0 : ascending[(ascending.Count * percent + 99) / 100 - 1];

    /// <summary>Small files that a tree of so many files may have: 40 of 460.</summary>
    internal static int SmallFilesAllowed(int files) => files * 40 / 460;
}
