using System.Globalization;

namespace LmKit.LossHashes;

/// <summary>What a program's toy run recorded and printed.</summary>
/// <param name="Losses">Every training loss, in the order of its recording.</param>
/// <param name="Figures">Every figure that it printed or wrote into a report.</param>
internal sealed record ToyRun(IReadOnlyList<double> Losses, IReadOnlyList<string> Figures)
{
    /// <summary>Runs a program in an empty folder, on one thread; the folder keeps its losses and what it printed and wrote.</summary>
    /// <exception cref="InvalidDataException">It failed, or recorded no loss; holds the last lines of its output.</exception>
    internal static async Task<ToyRun> ExecuteAsync(ToyProgram program, string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        var losses = Path.Combine(folder, "losses.txt");
        var child = await ChildProcess.RunAsync(program.Assembly, [.. program.Arguments, "--out", Path.Combine(folder, "out")], folder, new Dictionary<string, string>
        {
            ["DOTNET_STARTUP_HOOKS"] = typeof(ToyRun).Assembly.Location,
            [StartupHook.FileVariable] = losses,
            ["OMP_NUM_THREADS"] = "1", // sums over threads come in an order that depends on how many there are
            ["MKL_NUM_THREADS"] = "1",
        });
        await File.WriteAllTextAsync(Path.Combine(folder, "output.txt"), child.Output + child.Errors);
        if (child.ExitCode != 0)
            throw new InvalidDataException($"{program.Command} ended with exit code {child.ExitCode}:\n{child.Tail()}");
        if (program.Trains != File.Exists(losses))
            throw new InvalidDataException($"{program.Command} {(program.Trains ? "recorded no loss: its trainer has no histogram NAME.loss on a meter LmKit.*" : "recorded losses, but is listed as one that trains nothing")}.");
        return new ToyRun(
            program.Trains ? [.. File.ReadLines(losses).Select(Value)] : [],
            [.. Reports(folder).Prepend(child.Output).SelectMany(PrintedFigures.Of)]);
    }

    private static double Value(string line) => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);

    private static IEnumerable<string> Reports(string folder) =>
        Directory.EnumerateFiles(folder, "*.md", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(File.ReadAllText);
}
