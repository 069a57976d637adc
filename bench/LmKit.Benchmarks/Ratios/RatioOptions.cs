using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The command line of `ratios`.</summary>
/// <param name="Filter">Only cases whose name contains this text; null runs all.</param>
/// <param name="Threads">Threads of libtorch; null leaves its own choice.</param>
/// <param name="Json">File that gets the figures as JSON; null writes none.</param>
/// <param name="Table">Markdown file whose table is replaced by this run's; null writes none.</param>
/// <param name="Processes">Processes that each case is measured in with each allocator, of which the least favourable counts.</param>
internal sealed record RatioOptions(string? Filter = null, int? Threads = null, string? Json = null, string? Table = null, int Processes = 2)
{
    /// <exception cref="ArgumentException">An option is unknown, lacks its value, has a bad one, or does not go with another.</exception>
    public static RatioOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new RatioOptions();
        for (var at = 0; at < arguments.Count; at++)
        {
            var name = arguments[at];
            options = name switch
            {
                "--filter" => options with { Filter = Value(arguments, ref at) },
                "--threads" => options with { Threads = Positive(name, Value(arguments, ref at)) },
                "--json" => options with { Json = Value(arguments, ref at) },
                "--out" => options with { Table = Value(arguments, ref at) },
                "--processes" => options with { Processes = Positive(name, Value(arguments, ref at)) },
                _ => throw new ArgumentException($"ratios does not know '{name}'; it takes [--filter TEXT] [--threads N] [--processes N] [--json FILE] [--out FILE.md]."),
            };
        }

        return options is { Filter: not null, Table: not null }
            ? throw new ArgumentException("--out with --filter would replace the whole table by some of its rows; leave one of them out (--json takes the figures of a filtered run).")
            : options;
    }

    /// <summary>The options that say what was measured and how, as they are typed.</summary>
    public string ToCommand() => string.Concat(
        "ratios",
        Filter is null ? "" : $" --filter \"{Filter}\"",
        Threads is { } threads ? string.Create(CultureInfo.InvariantCulture, $" --threads {threads}") : "",
        Processes == new RatioOptions().Processes ? "" : string.Create(CultureInfo.InvariantCulture, $" --processes {Processes}"));

    private static string Value(IReadOnlyList<string> arguments, ref int at) =>
        at + 1 < arguments.Count ? arguments[++at] : throw new ArgumentException($"{arguments[at]} needs a value.");

    private static int Positive(string name, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException($"{name} '{text}' is not a whole number above 0.");
}
