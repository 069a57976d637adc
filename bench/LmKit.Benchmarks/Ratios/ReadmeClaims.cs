using System.Text.RegularExpressions;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Figures of speed that a README states by itself, not out of the table: the ones that grow old.</summary>
internal static partial class ReadmeClaims
{
    /// <summary>One line for each such figure; texts other than READMEs and the pages of docs/ are records and say what they found.</summary>
    internal static IEnumerable<string> Untagged(string file, string text)
    {
        if (!IsHeldTo(file))
            yield break;

        foreach (var (number, line) in ReadmeFigures.Outside(text))
        {
            if (Claim().Match(line) is { Success: true } claim)
                yield return $"{file}:{number}: '{claim.Value.Trim()}' is a figure of speed without a row of the table: put it into a block of ratios ({nameof(ReadmeFigures)} says how), or take it out.";
        }
    }

    private static bool IsHeldTo(string file) => Path.GetFileName(file) == "README.md" || (file.StartsWith("docs/", StringComparison.Ordinal) && file.Count(one => one == '/') == 1);

    // "2.4x", "2.4 times as fast", "11.3 / 9.2", and decimals in a line that speaks of speed.
    [GeneratedRegex(@"(?<![\w.])\d+(\.\d+)?x(?!\w)|\d+(\.\d+)? times (as (fast|slow|quick)|faster|slower|the (speed|time)|plain)|\b(faster|slower|speed-?up|as fast|of (CPU|wall) time)\b.*\d\.\d|\d\.\d.*\b(faster|slower|speed-?up|as fast|of (CPU|wall) time)\b", RegexOptions.IgnoreCase)]
    private static partial Regex Claim();
}
