using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The command line of `ratios`.</summary>
internal sealed record RatioOptions
{
    private const string usage = "[--filter TEXT]... [--part K/N] [--threads N] [--processes N] [--json FILE] [--out FILE.md] [--gate FILE.json]";

    /// <summary>Only cases whose name contains one of these texts; empty runs all.</summary>
    internal IReadOnlyList<string> Filters { get; init; } = [];

    /// <summary>Which of how many parts of the selected cases runs, from 1; each part takes every N-th case.</summary>
    internal (int Number, int Count) Part { get; init; } = (1, 1);

    /// <summary>Threads of libtorch; null leaves its own choice.</summary>
    internal int? Threads { get; init; }

    /// <summary>Processes that each case is measured in with each allocator, of which the least favourable counts.</summary>
    internal int Processes { get; init; } = 2;

    /// <summary>File that gets the figures as JSON; null writes none.</summary>
    internal string? Json { get; init; }

    /// <summary>Markdown file whose table gets the measured rows in place of its own; null writes none.</summary>
    internal string? Table { get; init; }

    /// <summary>File of floors that the cases named in it are held to; null holds none.</summary>
    internal string? Gate { get; init; }

    /// <exception cref="ArgumentException">An option is unknown, lacks its value, has a bad one, or does not go with another.</exception>
    internal static RatioOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new RatioOptions();
        for (var at = 0; at < arguments.Count; at++)
        {
            var name = arguments[at];
            options = name switch
            {
                "--filter" => options with { Filters = [.. options.Filters, Value(arguments, ref at)] },
                "--part" => options with { Part = PartOf(Value(arguments, ref at)) },
                "--threads" => options with { Threads = Positive(name, Value(arguments, ref at)) },
                "--processes" => options with { Processes = Positive(name, Value(arguments, ref at)) },
                "--json" => options with { Json = Value(arguments, ref at) },
                "--out" => options with { Table = Value(arguments, ref at) },
                "--gate" => options with { Gate = Value(arguments, ref at) },
                _ => throw new ArgumentException($"ratios does not know '{name}'; it takes {usage}."),
            };
        }

        return options is { Gate: not null, Table: not null } or { Gate: not null, Json: not null }
            ? throw new ArgumentException("--gate measures each case only until it reaches its floor, which is no figure to record; leave --out and --json out.")
            : options;
    }

    /// <summary>The cases of this run's part.</summary>
    internal IReadOnlyList<T> Share<T>(IReadOnlyList<T> cases) => [.. cases.Where((_, index) => index % Part.Count == Part.Number - 1)];

    private static string Value(IReadOnlyList<string> arguments, ref int at) =>
        at + 1 < arguments.Count ? arguments[++at] : throw new ArgumentException($"{arguments[at]} needs a value.");

    private static int Positive(string name, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException($"{name} '{text}' is not a whole number above 0.");

    private static (int Number, int Count) PartOf(string text) =>
        text.Split('/') is [var first, var second] && (Positive("--part", first), Positive("--part", second)) is var part && part.Item1 <= part.Item2
            ? part
            : throw new ArgumentException($"--part '{text}' is not K/N with K from 1 to N.");
}
