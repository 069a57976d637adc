using System.Text;
using System.Text.Json;

namespace LmKit.House;

/// <summary>The table, and what was counted below it.</summary>
internal static class FigureTable
{
    private static readonly JsonSerializerOptions indented = new() { WriteIndented = true };
    private static readonly string firstPath = Path.Combine(Repository.Root, "tools", "LmKit.House", "first.json");

    internal static int Run(string[] options)
    {
        var (output, first) = (After(options, "--out"), After(options, "--first"));
        if (options.Length != 2 * new[] { output, first }.Count(value => value is not null))
        {
            Console.Error.WriteLine($"figures: '{string.Join(' ', options)}' is not understood; it takes --out FILE and --first DATE.");
            return 2;
        }
        var figures = HouseFigures.Count();
        if (first is not null)
            File.WriteAllText(firstPath, JsonSerializer.Serialize(new FirstFigures(first, figures.ToDictionary(figure => figure.Key, figure => figure.Now)), indented) + "\n");
        var text = Write(figures, JsonSerializer.Deserialize<FirstFigures>(File.ReadAllText(firstPath))!);
        Console.Write(text);
        if (output is not null)
            File.WriteAllText(output, text);
        return 0;
    }

    private static string Write(IReadOnlyList<Figure> figures, FirstFigures first)
    {
        var text = new StringBuilder($"""
            # The figures of the house

            Written by `dotnet run -c Release --project tools/LmKit.House -- figures --out docs/results/house.md`, which counts everything anew.
            "Before" is the state of {first.Date}, counted by the same command.

            | figure (how it is counted) | before | now | goal |
            |---|---|---|---|

            """);
        foreach (var figure in figures)
            _ = text.Append(System.Globalization.CultureInfo.InvariantCulture, $"| {figure.Title} | {first.Figures.GetValueOrDefault(figure.Key, "-")} | {figure.Now} | {figure.Goal} |\n");
        foreach (var figure in figures.Where(figure => figure.Details.Count > 0))
            _ = text.Append($"\n## {figure.Title}\n\n").AppendJoin("", figure.Details.Select(line => $"- {line}\n"));
        return text.ToString();
    }

    private static string? After(string[] options, string name) => Array.IndexOf(options, name) is var at and >= 0 && at + 1 < options.Length ? options[at + 1] : null;

    private sealed record FirstFigures(string Date, Dictionary<string, string> Figures);
}
