using System.Globalization;
using System.Text.RegularExpressions;

namespace LmKit;

/// <summary>Reads verdicts out of judges' answers: strictly, or as the published harnesses do.</summary>
/// <remarks>The strict form takes a verdict only if exactly one distinct one stands in double brackets, so a quoted or injected second
/// one makes the answer invalid instead of deciding it. Expressions cannot backtrack.</remarks>
public static partial class VerdictParser
{
    private static readonly string[] PairLabels = ["A", "B", "C"];
    private static readonly string[] ArenaLabels = ["A>>B", "A>B", "A=B", "B>A", "B>>A"];

    /// <summary>The one pairwise verdict A, B or C (a tie), or null.</summary>
    /// <param name="judgment">The judge's answer.</param>
    /// <param name="nonce">Stands before the label with a colon in valid verdicts; null for none.</param>
    public static string? StrictPair(string judgment, string? nonce = null) => Strict(judgment, PairLabels, nonce);

    /// <summary>The one graded pairwise verdict A&gt;&gt;B, A&gt;B, A=B, B&gt;A or B&gt;&gt;A, or null.</summary>
    /// <inheritdoc cref="StrictPair"/>
    public static string? StrictArena(string judgment, string? nonce = null) => Strict(judgment, ArenaLabels, nonce);

    /// <summary>The one rating from 1 to 10, or null.</summary>
    /// <inheritdoc cref="StrictPair"/>
    public static double? StrictRating(string judgment, string? nonce = null)
    {
        var found = Bracketed(judgment, nonce)
            .Select(text => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var rating) ? rating : double.NaN)
            .Where(rating => rating is >= 1 and <= 10)
            .Distinct()
            .ToArray();
        return found.Length == 1 ? found[0] : null;
    }

    /// <summary>MT-Bench's pairwise reading: the first of [[A]], [[B]], [[C]] that stands anywhere; "A", "B", "tie" or "error".</summary>
    public static string MtBenchPair(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        return judgment.Contains("[[A]]", StringComparison.Ordinal) ? "A"
            : judgment.Contains("[[B]]", StringComparison.Ordinal) ? "B"
            : judgment.Contains("[[C]]", StringComparison.Ordinal) ? "tie" : "error";
    }

    /// <summary>MT-Bench's single rating: the first number in double, else in single brackets; -1 for none.</summary>
    public static double MtBenchSingle(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        var found = DoubleBracketNumber().Match(judgment);
        found = found.Success ? found : SingleBracketNumber().Match(judgment);
        return found.Success ? double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture) : -1;
    }

    /// <summary>Arena-Hard's reading: the last verdict in double brackets, else the last in single ones; null for none.</summary>
    public static string? Arena(string judgment)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        var upper = judgment.ToUpperInvariant();
        foreach (var expression in new[] { ArenaDouble(), ArenaSingle() })
        {
            var found = expression.Matches(upper).Select(match => match.Groups[1].Value).Where(text => text.Length > 0).ToArray();
            if (found.Length > 0)
                return found[^1];
        }
        return null;
    }

    private static string? Strict(string judgment, string[] labels, string? nonce)
    {
        var found = Bracketed(judgment, nonce).Select(text => text.ToUpperInvariant()).Where(labels.Contains).Distinct().ToArray();
        return found.Length == 1 ? found[0] : null;
    }

    private static IEnumerable<string> Bracketed(string judgment, string? nonce)
    {
        ArgumentNullException.ThrowIfNull(judgment);
        foreach (Match match in Brackets().Matches(judgment))
        {
            var text = match.Groups[1].Value.Trim();
            if (nonce is null)
                yield return text;
            else if (text.StartsWith(nonce + ":", StringComparison.Ordinal))
                yield return text[(nonce.Length + 1)..].Trim();
        }
    }

    [GeneratedRegex(@"\[\[([^\[\]]*)\]\]", RegexOptions.NonBacktracking)]
    private static partial Regex Brackets();

    [GeneratedRegex(@"\[\[([0-9]+\.?[0-9]*)\]\]", RegexOptions.NonBacktracking)]
    private static partial Regex DoubleBracketNumber();

    [GeneratedRegex(@"\[([0-9]+\.?[0-9]*)\]", RegexOptions.NonBacktracking)]
    private static partial Regex SingleBracketNumber();

    [GeneratedRegex(@"\[\[([AB<>=]+)\]\]", RegexOptions.NonBacktracking)]
    private static partial Regex ArenaDouble();

    [GeneratedRegex(@"\[([AB<>=]+)\]", RegexOptions.NonBacktracking)]
    private static partial Regex ArenaSingle();
}
