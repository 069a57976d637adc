using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Rows of the test bench as the paper prints them.</summary>
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
            text.AppendLine(Invariant($"**{group.Key.Section}, edit of {group.Key.Attribute}**: logit difference {first.Approximation.CleanDifference:F2} clean, {first.Approximation.AblatedDifference:F2} under mean ablation.{Resolution(first)}"));
            text.AppendLine();
            text.AppendLine("| dictionary | L0 | variance explained | sufficiency | recovered (signed) | necessity | no edit | " + string.Join(" | ", counts.Select(count => Invariant($"k = {count} (weight)"))) + " |");
            text.AppendLine(string.Concat(Enumerable.Repeat("|---", 7 + counts.Length)) + "|");
            foreach (var row in group)
                text.AppendLine(Line(row, counts));
            text.AppendLine();
        }
        return text.ToString().ReplaceLineEndings("\n");
    }

    /// <summary>The rows as CSV with a head line, one line for each number of features.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("section,attribute,dictionary,l0,explained,ld_clean,ld_ablated,sufficiency,recovered,signed_recovered,necessity,ill_conditioned,no_edit,k,agreement,weight\n");
        foreach (var row in Rows)
        {
            var (sufficient, necessary) = (row.Approximation.Sufficiency, row.Approximation.Necessity);
            foreach (var result in row.Control)
            {
                text.Append(Invariant($"{row.Section},{row.Attribute},{row.Dictionary},{row.ActiveCount:R},{row.ExplainedVariance:R},{row.Approximation.CleanDifference:R},{row.Approximation.AblatedDifference:R},"));
                text.Append(Invariant($"{sufficient.Sufficiency:R},{sufficient.Recovered:R},{sufficient.SignedRecovered:R},{necessary.Necessity:R},{(necessary.IsIllConditioned ? 1 : 0)},"));
                text.Append(Invariant($"{result.AgreementWithoutEdit:R},{result.FeatureCount},{result.Agreement:R},{result.RemovedWeight:R}\n"));
            }
        }
        return text.ToString();
    }

    private static string Line(BenchRow row, int[] counts)
    {
        var (sufficient, necessary) = (row.Approximation.Sufficiency, row.Approximation.Necessity);
        var necessity = necessary.IsIllConditioned ? Invariant($"ill-conditioned ({necessary.Necessity:F3})") : Invariant($"{necessary.Necessity:F3}");
        var cells = row.Control.Count == 1
            ? Invariant($"{Cell(row.Control[0])} with {row.Control[0].FeatureCount} swap(s)") + string.Concat(Enumerable.Repeat(" | ", Math.Max(0, counts.Length - 1)))
            : string.Join(" | ", counts.Select(count => row.Control.FirstOrDefault(result => result.FeatureCount == count) is { } found ? Cell(found) : string.Empty));
        return Invariant($"| {row.Dictionary} | {row.ActiveCount:F1} | {row.ExplainedVariance:F3} | {sufficient.Sufficiency:F3} | {sufficient.SignedRecovered:F3} | {necessity} | {row.Control[0].AgreementWithoutEdit:F2} | {cells} |");
    }

    private static string Cell(ControllabilityResult result) => double.IsNaN(result.RemovedWeight)
        ? Invariant($"{result.Agreement:F2}")
        : Invariant($"{result.Agreement:F2} ({result.RemovedWeight:F2})");

    private static string Resolution(BenchRow row) => row.Control[0].HasResolution
        ? string.Empty
        : Invariant($" **No resolution**: predictions agree with the counterfactual's in {row.Control[0].AgreementWithoutEdit:P0} of the prompts without any edit.");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
