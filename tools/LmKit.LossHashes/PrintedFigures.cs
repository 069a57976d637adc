using System.Text.RegularExpressions;

namespace LmKit.LossHashes;

/// <summary>Finds the figures of a report that do not depend on time or place.</summary>
internal static partial class PrintedFigures
{
    /// <summary>Every number with a decimal point, and NaN, in order.</summary>
    /// <remarks>Words may change without changing this. Left out are numbers before " s" or " ms", and lines of progress (which come now and
    /// then) or about speed, time, memory, commit and the documentation's folder.</remarks>
    internal static IEnumerable<string> Of(string text) =>
        from line in text.Split('\n')
        where !OfTheMoment().IsMatch(line)
        from Match match in Figure().Matches(Time().Replace(line, ""))
        select match.Value;

    [GeneratedRegex(@"[0-9]/[0-9,]+,? .*\bloss\b|/s\b|a second|speed|\btime of\b|minutes|\bMi?B\b|\bcommit\b|documentation in")]
    private static partial Regex OfTheMoment();

    [GeneratedRegex(@"\[? *[0-9][0-9.,]* m?s\b\]?")]
    private static partial Regex Time();

    [GeneratedRegex(@"-?\b[0-9][0-9,]*\.[0-9]+(?:[eE][-+]?[0-9]+)?\b|\bNaN\b")]
    private static partial Regex Figure();
}
