using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LmKit.Mutation;

/// <summary>The page docs/results/mutation.md.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions json = new(JsonSerializerDefaults.Web);

    internal static void Write(IEnumerable<ResultFile> files)
    {
        var text = new StringBuilder("""
            # Tests against changed sources

            A seeded sample of small changes (operators, borders, conditions, constants, names, statements, results) of Core's sampling, chat, training, masks,
            mixers and checkpoints. Each is tried against the tests of LmKit.Core.Tests that reach it; a change is seen when a test fails with it and passes
            without it. A change that no test reaches has survived. Error texts, attributes, constants and static initialisers are not changed.
            `dotnet run -c Release --project tests/LmKit.Mutation -- run` makes this page; CONTRIBUTING.md says how.

            """);
        var reasons = Equivalents();
        foreach (var file in files)
            Add(text, file, reasons);
        File.WriteAllText(Path.Combine(Repository.Root, "docs", "results", "mutation.md"), text.ToString());
    }

    /// <summary>The share of changes that tests see, without those that change nothing.</summary>
    internal static string Score(IEnumerable<MutantResult> results, Func<MutantResult, string> outcome)
    {
        var reasons = Equivalents();
        MutantResult[] counted = [.. results.Where(result => !reasons.ContainsKey(result.Key))];
        var seen = counted.Count(result => outcome(result) == MutantResult.Seen);
        return string.Create(CultureInfo.InvariantCulture, $"{seen} of {counted.Length}, {100.0 * seen / Math.Max(1, counted.Length):0.0} %");
    }

    private static void Add(StringBuilder text, ResultFile file, Dictionary<string, string> reasons)
    {
        MutantResult[] sample = [.. file.Results.Where(result => !result.IsNamed)];
        MutantResult[] named = [.. file.Results.Where(result => result.IsNamed)];
        MutantResult[] same = [.. sample.Where(result => reasons.ContainsKey(result.Key))];
        var line = CultureInfo.InvariantCulture;
        _ = text.AppendLine(line, $"\n## Seed {file.Seed}\n");
        _ = text.AppendLine("| | |\n|---|---|");
        _ = text.AppendLine(line, $"| taken | {file.Date}, {file.Minutes:0} minutes |");
        _ = text.AppendLine(line, $"| changes | {sample.Length} of {file.Count} wanted |");
        _ = text.AppendLine(line, $"| seen | {Score(sample, result => result.Last)} |");
        _ = text.AppendLine(line, $"| seen when first tried | {Score(sample, result => result.First)} |");
        _ = text.AppendLine(line, $"| reached by no test | {sample.Count(result => result.Last == MutantResult.Unreached)} |");
        _ = text.AppendLine(line, $"| left out because nothing changes | {same.Length} |");
        _ = text.AppendLine(line, $"| named changes seen | {named.Count(result => result.Last == MutantResult.Seen)} of {named.Length} |");
        List(text, "Survivors", file.Results.Where(result => result.Last != MutantResult.Seen && !reasons.ContainsKey(result.Key)).Select(result => $"{result.Text}{(result.Last == MutantResult.Unreached ? " (reached by no test)" : "")}"));
        List(text, "Left out, with the reason", same.Select(result => $"{result.Text}. {reasons[result.Key]}"));
        List(text, "Named changes", named.Select(result => $"{result.Text}: {(result.Test is null ? result.Last : $"seen by {result.Test}")}"));
    }

    private static void List(StringBuilder text, string head, IEnumerable<string> lines)
    {
        string[] all = [.. lines];
        if (all.Length == 0)
            return;
        _ = text.AppendLine(CultureInfo.InvariantCulture, $"\n### {head}\n");
        foreach (var line in all)
            _ = text.AppendLine(CultureInfo.InvariantCulture, $"- {line}");
    }

    private static Dictionary<string, string> Equivalents() =>
        JsonSerializer.Deserialize<Row[]>(File.ReadAllText(Path.Combine(Repository.Here, "equivalent.json")), json)!.ToDictionary(row => row.Change, row => row.Reason);

    private sealed record Row(string Change, string Reason);
}
