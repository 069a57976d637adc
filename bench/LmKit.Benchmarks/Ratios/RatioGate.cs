using System.Text.Json;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Floors that ratios may not fall below: a file {"case": floor, ...} made from the table by the verb `floors`.</summary>
internal sealed class RatioGate
{
    private const int attempts = 3;     // a floor is half the recorded ratio; a busy neighbour does not halve a ratio three times
    private const double share = 0.5;   // of the recorded ratio

    private static readonly JsonSerializerOptions layout = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string path;
    private readonly IReadOnlyDictionary<string, double> floors;

    private RatioGate(string path, IReadOnlyDictionary<string, double> floors) => (this.path, this.floors) = (path, floors);

    /// <summary>The floors by case.</summary>
    internal IReadOnlyDictionary<string, double> Floors => floors;

    /// <summary>Reads the file.</summary>
    /// <exception cref="ArgumentException">It is not there, not such a file, or names a case that does not exist; names what is off.</exception>
    internal static RatioGate Read(string path)
    {
        if (!File.Exists(path))
            throw new ArgumentException($"--gate '{path}' does not exist; `floors` makes one from the table.");

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ArgumentException($"--gate '{path}' is a JSON {document.RootElement.ValueKind}, not an object of floors by case.");

            var floors = new Dictionary<string, double>();
            foreach (var one in document.RootElement.EnumerateObject())
            {
                if (one.Value.ValueKind != JsonValueKind.Number || !one.Value.TryGetDouble(out var floor) || !(floor > 0 && double.IsFinite(floor)))
                    throw new ArgumentException($"--gate '{path}': the floor of '{one.Name}' is {one.Value.GetRawText()}, not a number above 0.");

                if (RatioCaseList.All.All(known => known.Name != one.Name))
                    throw new ArgumentException($"--gate '{path}' names '{one.Name}', which is no case; mend the name, or make the file anew with `floors`. There are: {string.Join("; ", RatioCaseList.All.Select(known => known.Name))}.");

                if (!floors.TryAdd(one.Name, floor))
                    throw new ArgumentException($"--gate '{path}' names '{one.Name}' twice; leave one floor.");
            }

            return floors.Count > 0 ? new RatioGate(path, floors) : throw new ArgumentException($"--gate '{path}' has no floor; `floors` makes it from the table.");
        }
        catch (JsonException problem)
        {
            throw new ArgumentException($"--gate '{path}' is no JSON: {problem.Message}");
        }
    }

    /// <summary>Half of what a table records with the default allocator, for each of its rows of time.</summary>
    internal static IReadOnlyDictionary<string, double> Half(RatioTable table) => table.Rows.Values
        .Where(row => !row.IsMemory && row.Default is > 0)
        .ToDictionary(row => row.Name, row => Math.Round(row.Default!.Value * share, 3));

    /// <summary>Writes a file of floors.</summary>
    internal static void Write(string path, IReadOnlyDictionary<string, double> floors) => File.WriteAllText(path, JsonSerializer.Serialize(floors, layout) + "\n");

    /// <summary>The floors of the cases that the filters name; all without a filter.</summary>
    /// <exception cref="ArgumentException">A filter names a case without a floor.</exception>
    internal RatioGate Only(IReadOnlyList<string> filters)
    {
        foreach (var filter in filters.Where(filter => !floors.Keys.Any(name => RatioCaseList.Matches(name, filter))))
            throw new ArgumentException($"--filter '{filter}' matches no case of --gate '{path}'; measure the case into the table and make the file anew with `floors`.");

        return filters.Count == 0
            ? this
            : new RatioGate(path, floors.Where(one => filters.Any(filter => RatioCaseList.Matches(one.Key, filter))).ToDictionary());
    }

    /// <summary>Measures each case, again where it is below its floor, and names every one that never reaches it. True when all do.</summary>
    internal bool Hold(Func<string, RatioResult> measure, TextWriter output, TextWriter errors)
    {
        var holds = true;
        foreach (var (name, floor) in floors)
        {
            var needed = RatioCaseList.All.First(one => one.Name == name).LeastProcessors;
            if (Environment.ProcessorCount < needed)
            {
                output.WriteLine($"# {name}: skipped, it needs {needed} processors and this process has {Environment.ProcessorCount}");
                continue;
            }

            try
            {
                var best = Best(() => measure(name).LowestRatio, floor);
                output.WriteLine($"{name}\t{RatioRow.Text(best)}\tfloor {RatioRow.Text(floor, "0.000")}\t{(best >= floor ? "holds" : "FAILS")}");
                if (!(best >= floor))
                {
                    errors.WriteLine($"{name}: the ratio is {RatioRow.Text(best)} in the best of {attempts} runs, below the floor {RatioRow.Text(floor, "0.000")} of '{path}': find what made it slow, or, where that is meant, measure it into the table and run `floors`.");
                    holds = false;
                }
            }
            catch (CaseFailedException problem)
            {
                errors.WriteLine(problem.Message);
                holds = false;
            }
        }

        return holds;
    }

    private static double Best(Func<double> measure, double floor)
    {
        var best = 0.0;
        for (var attempt = 0; attempt < attempts && !(best >= floor); attempt++)
            best = Math.Max(best, measure());

        return best;
    }
}
