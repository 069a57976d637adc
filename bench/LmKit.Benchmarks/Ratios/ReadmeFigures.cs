namespace LmKit.Benchmarks.Ratios;

/// <summary>The blocks of a text that show rows of the committed table.</summary>
/// <remarks>
/// <para>A block is written as link definitions, which no reader of Markdown shows:</para>
/// <code>
/// [//]: # "ratios: HEAD OF THE FIRST COLUMN"
/// [//]: # "ratio: LABEL | NAME OF THE CASE"
/// [//]: # "ratios end"
/// </code>
/// <para>with a line for each row. What stands between the last row's line and the end is made from the table. A case of peak memory
/// ends with " [peak memory]".</para>
/// </remarks>
internal sealed record ReadmeFigures(string Text, IReadOnlyList<string> Problems, IReadOnlyList<string> Differences)
{
    internal const string Remedy = "run `dotnet run -c Release --project bench/LmKit.Benchmarks -- readme`";
    private const string opening = "[//]: # \"ratios: ";
    private const string row = "[//]: # \"ratio: ";
    private const string end = "[//]: # \"ratios end\"";
    private const string fence = "```";
    private const string any = "[//]: # \"ratio";

    /// <summary>Makes the blocks anew and says what is wrong and what differs.</summary>
    internal static ReadmeFigures Read(string file, string text, RatioTable table)
    {
        var (lines, made, problems, differences) = (text.Split('\n'), new List<string>(), new List<string>(), new List<string>());
        var isCode = false;
        for (var at = 0; at < lines.Length; at++)
        {
            made.Add(lines[at]);
            isCode ^= lines[at].StartsWith(fence, StringComparison.Ordinal);
            if (isCode || !lines[at].StartsWith(any, StringComparison.Ordinal))
                continue;

            var opening = at;
            if (Content(lines[at], ReadmeFigures.opening) is not { } head)
            {
                problems.Add($"{file}:{at + 1}: '{lines[at]}' stands outside a block; a block begins with a line '{ReadmeFigures.opening}...\"'.");
                continue;
            }

            var rows = new List<string> { $"| {head} | default | tuned | aim |", "|---|---|---|---|" };
            for (at++; at < lines.Length && Content(lines[at], row) is { } content; at++)
            {
                made.Add(lines[at]);
                rows.Add(Row(content, $"{file}:{at + 1}", table, problems));
            }

            var end = Array.IndexOf(lines, ReadmeFigures.end, at);
            if (end < 0)
            {
                problems.Add($"{file}:{opening + 1}: the block of ratios has no end; put the line '{ReadmeFigures.end}' after it.");
                made.AddRange(lines.Skip(at));
                break;
            }

            string[] wanted = ["", .. rows, ""];
            var shown = lines[at..end];
            if (!shown.SequenceEqual(wanted))
            {
                var different = Different(file, shown, wanted).ToList();
                differences.AddRange(different.Count > 0 ? different : [$"{file}:{opening + 1}: the block '{head}' is laid out otherwise than the table gives it: {Remedy}."]);
            }

            made.AddRange(wanted);
            made.Add(ReadmeFigures.end);
            at = end;
        }

        return new ReadmeFigures(string.Join('\n', made), problems, differences);
    }

    /// <summary>The lines of a text that stand outside its blocks and its code, with their numbers from 1.</summary>
    internal static IEnumerable<(int Number, string Line)> Outside(string text)
    {
        var (isInside, isCode) = (false, false);
        foreach (var (index, line) in text.Split('\n').Index())
        {
            isCode ^= line.StartsWith(fence, StringComparison.Ordinal);
            if (isCode)
                continue;

            isInside |= line.StartsWith(opening, StringComparison.Ordinal);
            if (!isInside)
                yield return (index + 1, line);

            isInside &= line != end;
        }
    }

    private static string Row(string content, string place, RatioTable table, List<string> problems)
    {
        var (label, name) = content.IndexOf('|', StringComparison.Ordinal) is var bar && bar > 0 ? (content[..bar].Trim(), content[(bar + 1)..].Trim()) : (content, content);
        if (table.Rows.TryGetValue(name, out var row))
            return $"| {label} | {RatioRow.Text(row.Default)} | {RatioRow.Text(row.Tuned)} | {row.Target} |";

        problems.Add($"{place}: the figure '{label}' has no row '{name}' in {Path.GetFileName(RepositoryFiles.Table)}: mend the case's name, measure it with `ratios --filter \"{name}\" --out`, or take the figure out.");
        return $"| {label} | - | - | - |";
    }

    private static IEnumerable<string> Different(string file, string[] shown, string[] wanted)
    {
        foreach (var line in wanted.Except(shown).Where(line => line.Length > 0 && !line.StartsWith("|-", StringComparison.Ordinal)))
        {
            var label = line.Split('|') is [_, var first, ..] ? first.Trim() : line;
            var old = shown.FirstOrDefault(other => other.StartsWith($"| {label} |", StringComparison.Ordinal));
            yield return $"{file}: the figure '{label}' {(old is null ? "is missing" : $"reads '{old}'")}, the table gives '{line}': {Remedy}.";
        }

        foreach (var line in shown.Except(wanted).Where(line => !wanted.Any(other => line.Split('|') is [_, var first, ..] && other.StartsWith($"|{first}|", StringComparison.Ordinal))))
            yield return $"{file}: the line '{line}' is not the table's: {Remedy}.";
    }

    private static string? Content(string line, string mark) =>
        line.StartsWith(mark, StringComparison.Ordinal) && line.EndsWith('"') ? line[mark.Length..^1].Trim() : null;
}
