using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>One line of the committed table: a case of time with both allocators, or a case of peak memory.</summary>
/// <param name="Name">The case's whole name; that of peak memory ends with <see cref="MemoryMark"/>.</param>
/// <param name="Figures">Wall and CPU ratio, and both with the tuned allocator; or the baseline's MiB, ours, and their ratio. Null is a figure not taken.</param>
/// <param name="Target">The target and whether it was met, in words.</param>
/// <param name="Measured">When and beside which load.</param>
internal sealed record RatioRow(string Name, IReadOnlyList<double?> Figures, string Target, string Measured)
{
    internal const string MemoryMark = " [peak memory]";
    internal const string TimeHead = "| case | wall | CPU | wall, tuned | CPU, tuned | target | measured |\n|---|---|---|---|---|---|---|\n";
    internal const string MemoryHead = "| peak memory | baseline, MiB | ours, MiB | ratio | target | measured |\n|---|---|---|---|---|---|\n";
    private const int timeFigures = 4;
    private const int memoryFigures = 3;

    internal bool IsMemory => Name.EndsWith(MemoryMark, StringComparison.Ordinal);

    /// <summary>The lower of the wall and CPU ratios, or the ratio of peak memory.</summary>
    internal double? Default => IsMemory ? Figures[2] : Lower(Figures[0], Figures[1]);

    /// <summary>The same with the tuned allocator, which peak memory is not measured with.</summary>
    internal double? Tuned => IsMemory ? null : Lower(Figures[2], Figures[3]);

    /// <summary>A measured case.</summary>
    internal static RatioRow Of(RatioResult? plain, RatioResult? tuned, string measured)
    {
        var name = (plain ?? tuned ?? throw new ArgumentException("A row needs a result.")).Name;
        return new RatioRow(name, [plain?.WallRatio, Cpu(plain), tuned?.WallRatio, Cpu(tuned)], Targets(plain, tuned), measured);
    }

    /// <summary>A measured case of peak memory.</summary>
    internal static RatioRow Of(MemoryResult result, string measured) =>
        new(result.Name + MemoryMark, [result.BaselineBytes / 1048576.0, result.OurBytes / 1048576.0, result.Ratio], Met(result.Target, result.IsMet), measured);

    /// <summary>Reads a line of a table back.</summary>
    /// <exception cref="FormatException">It is no such line.</exception>
    internal static RatioRow Parse(string line, bool isMemory)
    {
        var cells = line.Trim().Trim('|').Split('|').Select(cell => cell.Trim()).ToArray();
        var count = isMemory ? memoryFigures : timeFigures;
        if (cells.Length != count + 3)
            throw new FormatException($"'{line}' has {cells.Length} cells; {count + 3} belong there");

        return new RatioRow(isMemory ? cells[0] + MemoryMark : cells[0], [.. cells[1..(count + 1)].Select(Figure)], cells[^2], cells[^1]);

        double? Figure(string cell) => cell == "-"
            ? null
            : double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var figure) ? figure : throw new FormatException($"'{line}' has '{cell}' where a figure belongs");
    }

    public override string ToString() => IsMemory
        ? $"| {Name[..^MemoryMark.Length]} | {Text(Figures[0], "0.0")} | {Text(Figures[1], "0.0")} | {Text(Figures[2])} | {Target} | {Measured} |\n"
        : $"| {Name} | {string.Join(" | ", Figures.Select(figure => Text(figure)))} | {Target} | {Measured} |\n";

    /// <summary>A figure as the table and the READMEs write it.</summary>
    internal static string Text(double? figure, string format = "0.00") => figure?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    // Where the sides differ in threads the clock alone counts; the other figure would be read as a claim.
    private static double? Cpu(RatioResult? result) => result is { CountsWallOnly: false } ? result.CpuRatio : null;

    private static double? Lower(double? wall, double? cpu) => wall is { } a && cpu is { } b ? Math.Min(a, b) : wall ?? cpu;

    private static string Targets(RatioResult? plain, RatioResult? tuned) => (plain, tuned) switch
    {
        ({ } only, null) => Met(only.Target, only.IsMet),
        (null, { } only) => Met(only.Target, only.IsMet) + " tuned",
        ({ } a, { } b) when a.Target == b.Target && a.IsMet == b.IsMet => Met(a.Target, a.IsMet),
        ({ } a, { } b) => Met(a.Target, a.IsMet) + " / " + Met(b.Target, b.IsMet) + " tuned",
        _ => "-",
    };

    private static string Met(double target, bool isMet) => $"{Text(target)} {(isMet ? "met" : "short")}";
}
