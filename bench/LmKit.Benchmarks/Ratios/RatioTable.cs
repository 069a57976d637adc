using System.Globalization;
using System.Text;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The committed table: written from one run between two marks of a Markdown file, whose other text is kept.</summary>
internal sealed class RatioTable
{
    public const string Start = "<!-- table of one run: written by `ratios --out`, not by hand -->";
    public const string End = "<!-- end of the table -->";

    private readonly string _path;
    private readonly string _before;
    private readonly string _after;

    private RatioTable(string path, string before, string after)
    {
        _path = path;
        _before = before;
        _after = after;
    }

    /// <summary>Reads the text around the table, before an hour of measuring is lost on a file without the marks.</summary>
    /// <exception cref="ArgumentException">The file exists without the two marks.</exception>
    public static RatioTable Open(string path)
    {
        if (!File.Exists(path))
        {
            return new RatioTable(path, "# Ratios\n\n", "\n");
        }

        var text = File.ReadAllText(path);
        var (start, end) = (text.IndexOf(Start, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        return start >= 0 && end > start
            ? new RatioTable(path, text[..start], text[(end + End.Length)..])
            : throw new ArgumentException($"--out '{path}' has no table to replace: put the lines '{Start}' and '{End}' where it belongs.");
    }

    public void Write(RatioReport report, string command) => File.WriteAllText(_path, _before + Start + "\n" + Text(report, command) + End + _after);

    internal static string Text(RatioReport report, string command)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyy-MM-dd}, `{command}`, {report.Processor}, {report.Threads} thread(s), load average {report.LoadAverage}.\n");
        if (report.Results.Count > 0)
        {
            text.Append("\n| case | wall | CPU | wall, tuned | CPU, tuned | target |\n|---|---|---|---|---|---|\n");
        }

        foreach (var one in report.Results.GroupBy(entry => entry.Name))
        {
            var (plain, tuned) = (one.FirstOrDefault(entry => entry.Allocator == "default"), one.FirstOrDefault(entry => entry.Allocator == "tuned"));
            text.Append(CultureInfo.InvariantCulture, $"| {one.Key} | {Figures(plain)} | {Figures(tuned)} | {Targets(plain, tuned)} |\n");
        }

        if (report.Memory.Count > 0)
        {
            text.Append("\n| peak memory | baseline, MiB | ours, MiB | ratio | target |\n|---|---|---|---|---|\n");
        }

        foreach (var one in report.Memory)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {one.Name} | {one.BaselineMebibytes:0.0} | {one.OursMebibytes:0.0} | {one.Ratio:0.00} | {Target(one.Target, one.Met)} |\n");
        }

        return text.ToString();
    }

    private static string Figures(RatioReport.Entry? entry) =>
        entry is null ? "- | -" : string.Create(CultureInfo.InvariantCulture, $"{entry.WallRatio:0.00} | {entry.CpuRatio:0.00}");

    private static string Targets(RatioReport.Entry? plain, RatioReport.Entry? tuned) => (plain, tuned) switch
    {
        ({ } only, null) => Target(only.Target, only.Met),
        (null, { } only) => Target(only.Target, only.Met) + " tuned",
        ({ } a, { } b) when a.Target == b.Target && a.Met == b.Met => Target(a.Target, a.Met),
        ({ } a, { } b) => Target(a.Target, a.Met) + " / " + Target(b.Target, b.Met) + " tuned",
        _ => "-",
    };

    private static string Target(double target, bool isMet) => string.Create(CultureInfo.InvariantCulture, $"{target:0.00} {(isMet ? "met" : "short")}");
}
