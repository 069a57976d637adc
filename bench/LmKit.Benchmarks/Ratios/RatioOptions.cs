using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The command line of `ratios`.</summary>
/// <param name="Filter">Only cases whose name contains this text; null runs all.</param>
/// <param name="Threads">Threads of libtorch; null leaves its own choice.</param>
/// <param name="Json">File that gets the figures as JSON; null writes none.</param>
/// <param name="IsTuned">True in the second process, which the first one starts with the allocator's thresholds raised.</param>
internal sealed record RatioOptions(string? Filter = null, int? Threads = null, string? Json = null, bool IsTuned = false)
{
    public const string TunedSwitch = "--tuned";

    /// <exception cref="ArgumentException">An option is unknown, lacks its value or has a bad one.</exception>
    public static RatioOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new RatioOptions();
        for (var at = 0; at < arguments.Count; at++)
        {
            options = arguments[at] switch
            {
                "--filter" => options with { Filter = Value(arguments, ref at) },
                "--threads" => options with { Threads = Positive(Value(arguments, ref at)) },
                "--json" => options with { Json = Value(arguments, ref at) },
                TunedSwitch => options with { IsTuned = true },
                var other => throw new ArgumentException($"ratios does not know '{other}'; it takes [--filter TEXT] [--threads N] [--json FILE]."),
            };
        }

        return options;
    }

    public IEnumerable<string> ToArguments() =>
    [
        .. Filter is null ? Array.Empty<string>() : ["--filter", Filter],
        .. Threads is null ? Array.Empty<string>() : ["--threads", Threads.Value.ToString(CultureInfo.InvariantCulture)],
        .. Json is null ? Array.Empty<string>() : ["--json", Json],
        .. IsTuned ? [TunedSwitch] : Array.Empty<string>(),
    ];

    private static string Value(IReadOnlyList<string> arguments, ref int at) =>
        at + 1 < arguments.Count ? arguments[++at] : throw new ArgumentException($"{arguments[at]} needs a value.");

    private static int Positive(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? number
            : throw new ArgumentException($"--threads '{text}' is not a whole number above 0.");
}
