namespace LmKit.Benchmarks.Ratios;

/// <summary>The verb `floors`: half of every recorded ratio, written where `ratios --gate` reads it.</summary>
internal static class FloorsCommand
{
    private const int misused = 2;

    /// <summary>Returns 0, or 2 for a bad command line or table.</summary>
    internal static int Run(IReadOnlyList<string> arguments, TextWriter output, TextWriter errors)
    {
        try
        {
            if (arguments.Count > 0)
                throw new ArgumentException($"floors takes no arguments; got '{string.Join(' ', arguments)}'.");

            var floors = RatioGate.Half(RatioTable.Open(RepositoryFiles.Table));
            RatioGate.Write(RepositoryFiles.Floors, floors);
            output.WriteLine($"{floors.Count} floors in {RepositoryFiles.Floors}");
            return 0;
        }
        catch (ArgumentException problem)
        {
            errors.WriteLine(problem.Message);
            return misused;
        }
    }
}
