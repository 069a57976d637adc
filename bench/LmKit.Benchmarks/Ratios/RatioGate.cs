using System.Text.Json;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Floors that ratios may not fall below: a file {"case": floor, ...} made from the table by the verb `floors`.</summary>
internal sealed class RatioGate
{
    private const int _attempts = 3;     // a floor is half the recorded ratio; a busy neighbour does not halve a ratio three times
    private const double _share = 0.5;   // of the recorded ratio

    private static readonly JsonSerializerOptions _layout = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string _path;
    private readonly IReadOnlyDictionary<string, double> _floors;

    private RatioGate(string path, IReadOnlyDictionary<string, double> floors) => (_path, _floors) = (path, floors);

    /// <summary>The floors by case.</summary>
    public IReadOnlyDictionary<string, double> Floors => _floors;

    /// <summary>Reads the file.</summary>
    /// <exception cref="ArgumentException">It is not there, not such a file, or names a case that does not exist; names what is off.</exception>
    public static RatioGate Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new ArgumentException($"--gate '{path}' does not exist; `floors` makes one from the table.");
        }

        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ArgumentException($"--gate '{path}' is a JSON {document.RootElement.ValueKind}, not an object of floors by case.");
            }

            var floors = new Dictionary<string, double>();
            foreach (var one in document.RootElement.EnumerateObject())
            {
                if (one.Value.ValueKind != JsonValueKind.Number || !one.Value.TryGetDouble(out var floor) || !(floor > 0 && double.IsFinite(floor)))
                {
                    throw new ArgumentException($"--gate '{path}': the floor of '{one.Name}' is {one.Value.GetRawText()}, not a number above 0.");
                }

                if (RatioCaseList.All.All(known => known.Name != one.Name))
                {
                    throw new ArgumentException($"--gate '{path}' names '{one.Name}', which is no case; mend the name, or make the file anew with `floors`. There are: {string.Join("; ", RatioCaseList.All.Select(known => known.Name))}.");
                }

                if (!floors.TryAdd(one.Name, floor))
                {
                    throw new ArgumentException($"--gate '{path}' names '{one.Name}' twice; leave one floor.");
                }
            }

            return floors.Count > 0 ? new RatioGate(path, floors) : throw new ArgumentException($"--gate '{path}' has no floor; `floors` makes it from the table.");
        }
        catch (JsonException problem)
        {
            throw new ArgumentException($"--gate '{path}' is no JSON: {problem.Message}");
        }
    }

    /// <summary>Half of what a table records with the default allocator, for each of its rows of time.</summary>
    public static IReadOnlyDictionary<string, double> Half(RatioTable table) => table.Rows.Values
        .Where(row => !row.IsMemory && row.Default is > 0)
        .ToDictionary(row => row.Name, row => Math.Round(row.Default!.Value * _share, 3));

    /// <summary>Writes a file of floors.</summary>
    public static void Write(string path, IReadOnlyDictionary<string, double> floors) => File.WriteAllText(path, JsonSerializer.Serialize(floors, _layout) + "\n");

    /// <summary>The floors of the cases that the filters name; all without a filter.</summary>
    /// <exception cref="ArgumentException">A filter names a case without a floor.</exception>
    public RatioGate Only(IReadOnlyList<string> filters)
    {
        foreach (var filter in filters.Where(filter => !_floors.Keys.Any(name => RatioCaseList.Matches(name, filter))))
        {
            throw new ArgumentException($"--filter '{filter}' matches no case of --gate '{_path}'; measure the case into the table and make the file anew with `floors`.");
        }

        return filters.Count == 0
            ? this
            : new RatioGate(_path, _floors.Where(one => filters.Any(filter => RatioCaseList.Matches(one.Key, filter))).ToDictionary());
    }

    /// <summary>Measures each case, again where it is below its floor, and names every one that never reaches it. True when all do.</summary>
    public bool Hold(Func<string, RatioResult> measure, TextWriter output, TextWriter errors)
    {
        var holds = true;
        foreach (var (name, floor) in _floors)
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
                    errors.WriteLine($"{name}: the ratio is {RatioRow.Text(best)} in the best of {_attempts} runs, below the floor {RatioRow.Text(floor, "0.000")} of '{_path}': find what made it slow, or, where that is meant, measure it into the table and run `floors`.");
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
        for (var attempt = 0; attempt < _attempts && !(best >= floor); attempt++)
        {
            best = Math.Max(best, measure());
        }

        return best;
    }
}
