using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Rows of the test bench as the paper prints them, figures over prompts with their standard errors.</summary>
/// <param name="Rows">The rows.</param>
public sealed record BenchTable(IReadOnlyList<BenchRow> Rows)
{
    /// <summary>A Markdown table per section. Agreement without any edit stands in a column of its own, necessity that says little is
    /// called ill-conditioned, and a section whose agreement is high without an edit is marked.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        foreach (var group in Rows.GroupBy(row => (row.Section, row.Attribute)))
        {
            int[] counts = [.. group.SelectMany(row => row.Control.Count > 1 ? row.Control.Select(result => result.FeatureCount) : []).Distinct().Order()];
            var first = group.First();
            var judged = group.FirstOrDefault(row => row.Control.Count > 0);
            text.AppendLine(Invariant($"**{group.Key.Section}, edit of {group.Key.Attribute}**: logit difference {first.Approximation.CleanDifference:F2}{Error(first.Approximation.CleanError, 2)} clean, {first.Approximation.AblatedDifference:F2}{Error(first.Approximation.AblatedError, 2)} under mean ablation{Prompts(first.Approximation)}.{Resolution(judged)}"));
            text.AppendLine();
            string[] swaps = [.. counts.Select(count => Invariant($"k = {count} (weight)"))];
            if (swaps.Length == 0 && group.Any(row => row.Control.Count == 1))
                swaps = ["edit (weight)"];
            string[] head = ["dictionary", "L0", "variance explained", "sufficiency", "recovered (signed)", "necessity", "no edit", .. swaps];
            text.AppendLine(Joined(head));
            text.AppendLine(string.Concat(Enumerable.Repeat("|---", head.Length)) + "|");
            foreach (var row in group)
                text.AppendLine(Joined([.. Cells(row), .. Edits(row, counts, swaps.Length)]));
            text.AppendLine();
        }
        return text.ToString().ReplaceLineEndings("\n");
    }

    /// <summary>The rows as CSV (RFC 4180) with a head line, one line for each number of features; a row without test 2 has one line whose
    /// last fields are empty.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("section,attribute,dictionary,l0,explained,ld_clean,ld_ablated,sufficiency,recovered,signed_recovered,necessity,ill_conditioned,no_edit,k,agreement,weight,prompts,sufficiency_error,recovered_error,necessity_error,agreement_error\n");
        foreach (var row in Rows)
        {
            var (sufficient, necessary) = (row.Approximation.Sufficiency, row.Approximation.Necessity);
            IEnumerable<ControllabilityResult?> results = row.Control.DefaultIfEmpty<ControllabilityResult?>(null);
            foreach (var result in results)
            {
                text.Append(Invariant($"{Quoted(row.Section)},{Quoted(row.Attribute)},{Quoted(row.Dictionary)},{row.ActiveCount:R},{row.ExplainedVariance:R},{row.Approximation.CleanDifference:R},{row.Approximation.AblatedDifference:R},"));
                text.Append(Invariant($"{sufficient.Sufficiency:R},{sufficient.Recovered:R},{sufficient.SignedRecovered:R},{necessary.Necessity:R},{(necessary.IsIllConditioned ? 1 : 0)},"));
                text.Append(Invariant($"{result?.AgreementWithoutEdit:R},{result?.FeatureCount},{result?.Agreement:R},{result?.RemovedWeight:R},"));
                text.Append(Invariant($"{row.Approximation.PromptCount},{sufficient.SufficiencyError:R},{sufficient.RecoveredError:R},{necessary.RecoveredError:R},{result?.AgreementError:R}\n"));
            }
        }
        return text.ToString();
    }

    private static string[] Cells(BenchRow row)
    {
        var (sufficient, necessary) = (row.Approximation.Sufficiency, row.Approximation.Necessity);
        return
        [
            row.Dictionary,
            Invariant($"{row.ActiveCount:F1}"),
            Invariant($"{row.ExplainedVariance:F3}"),
            Invariant($"{sufficient.Sufficiency:F3}{Error(sufficient.SufficiencyError, 3)}"),
            Invariant($"{sufficient.SignedRecovered:F3}{Error(sufficient.RecoveredError, 3)}"),
            necessary.IsIllConditioned ? Invariant($"ill-conditioned ({necessary.Necessity:F3})") : Invariant($"{necessary.Necessity:F3}{Error(necessary.RecoveredError, 3)}"),
            row.Control.Count > 0 ? Invariant($"{row.Control[0].AgreementWithoutEdit:F2}") : string.Empty,
        ];
    }

    // A single edit stands in the first column, whatever its number of swaps.
    private static string[] Edits(BenchRow row, int[] counts, int width) => row.Control.Count == 1
        ? [Invariant($"{Cell(row.Control[0])} with {row.Control[0].FeatureCount} swap(s)"), .. Enumerable.Repeat(string.Empty, width - 1)]
        : [.. counts.Select(count => row.Control.FirstOrDefault(result => result.FeatureCount == count) is { } found ? Cell(found) : string.Empty), .. Enumerable.Repeat(string.Empty, width - counts.Length)];

    private static string Joined(IEnumerable<string> cells) => $"| {string.Join(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |";

    private static string Quoted(string field) => field.AsSpan().ContainsAny(",\"\r\n") ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;

    private static string Cell(ControllabilityResult result) => double.IsNaN(result.RemovedWeight)
        ? Invariant($"{result.Agreement:F2}{Error(result.AgreementError, 2)}")
        : Invariant($"{result.Agreement:F2}{Error(result.AgreementError, 2)} ({result.RemovedWeight:F2})");

    private static string Error(double error, int digits) => double.IsNaN(error) ? string.Empty : " +- " + error.ToString("F" + digits, CultureInfo.InvariantCulture);

    private static string Prompts(ApproximationResult result) => result.PromptCount == 0 ? string.Empty : Invariant($" (standard errors over {result.PromptCount:N0} prompts)");

    private static string Resolution(BenchRow? row) => row is null || row.Control[0].HasResolution
        ? string.Empty
        : Invariant($" **No resolution**: predictions agree with the counterfactual's in {row.Control[0].AgreementWithoutEdit:P0} of the prompts without any edit.");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
