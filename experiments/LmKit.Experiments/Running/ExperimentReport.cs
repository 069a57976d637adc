using System.Globalization;
using System.Reflection;
using System.Text;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>The runs of an experiment as a page: claim, verdict, thresholds and tables of every seed.</summary>
internal sealed class ExperimentReport
{
    private readonly Experiment experiment;
    private readonly IReadOnlyList<ExperimentRun> runs;
    private readonly bool isToy;

    internal ExperimentReport(Experiment experiment, IReadOnlyList<ExperimentRun> runs, bool isToy)
    {
        this.experiment = experiment;
        this.runs = runs;
        this.isToy = isToy;
    }

    /// <summary>Whether as many seeds hold as the experiment needs.</summary>
    internal bool IsReproduced => runs.Count >= Needed && runs.Count(run => run.Holds) >= Needed;

    private int Needed => experiment.SeedsNeeded == 0 ? runs.Count : experiment.SeedsNeeded;

    /// <summary>Writes NAME.md and, where a run drew one, NAME-seedN.png; each file is whole or not there.</summary>
    internal void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var run in runs)
            run.Result.Plot?.Save(Path.Combine(folder, PictureName(run)));
        AtomicFile.WriteText(Path.Combine(folder, experiment.Name + ".md"), ToMarkdown());
    }

    /// <summary>The page.</summary>
    internal string ToMarkdown()
    {
        var page = new StringBuilder();
        Line(page, $"# {experiment.Title}\n\n{experiment.Description}\n");
        if (isToy)
            Line(page, $"A toy run: it shows that everything works; its figures mean nothing.\n");
        Line(page, $"**{Verdict()}**\n");
        Line(page, $"`dotnet run -c Release --project experiments/LmKit.Experiments -- {experiment.Name} --seed {string.Join(' ', runs.Select(run => run.Seed))}{(isToy ? " --toy" : "")}`");
        Line(page, $"at commit {Commit()}, {runs.Sum(run => run.Time.TotalSeconds):F0} s in all, {Threads()} threads of {Environment.ProcessorCount} processors.\n");
        foreach (var run in runs)
            Add(page, run);
        return page.ToString();
    }

    private string Verdict() =>
        $"{(IsReproduced ? "Reproduced" : runs.Count < Needed ? "Too few seeds for a verdict" : "Not reproduced")}: all thresholds hold on {runs.Count(run => run.Holds)} of {runs.Count} seeds ({Needed} needed).";

    private void Add(StringBuilder page, ExperimentRun run)
    {
        Line(page, $"## Seed {run.Seed}: {(run.Holds ? "holds" : "does not hold")} ({run.Time.TotalSeconds:F0} s)\n");
        Add(page, new ResultTable(
            "Thresholds",
            ["claim", "threshold", "measured", "holds"],
            [.. run.Result.Findings.Select(finding => (string[])[finding.Claim, finding.Threshold, Finding.Text(finding.Measured), finding.Holds ? "yes" : "no"])]));
        foreach (var table in run.Result.Tables)
            Add(page, table);
        if (run.Result.Plot is { } plot)
            Line(page, $"![{plot.Title}]({PictureName(run)})\n");
    }

    private static void Add(StringBuilder page, ResultTable table)
    {
        Line(page, $"{table.Caption}:\n");
        Line(page, $"| {string.Join(" | ", table.Columns)} |\n|{string.Concat(table.Columns.Select(_ => "---|"))}");
        foreach (var row in table.Rows)
            Line(page, $"| {string.Join(" | ", row)} |");
        page.Append('\n');
    }

    private string PictureName(ExperimentRun run) => string.Create(CultureInfo.InvariantCulture, $"{experiment.Name}-seed{run.Seed}.png");

    private static int Threads()
    {
        LibTorch.EnsureLoaded();
        return get_num_threads();
    }

    // The SDK writes the commit behind the version's plus sign.
    private static string Commit() =>
        typeof(ExperimentReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+') is [_, { Length: >= 10 } commit, ..] ? commit[..10] : "unknown";

    private static void Line(StringBuilder page, FormattableString line) => page.Append(FormattableString.Invariant(line)).Append('\n');
}
