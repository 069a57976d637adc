using System.CommandLine;
using LmKit;
using LmKit.SparseAutoencoderTour;
using Spectre.Console;

string[] all = ["r1", "r2", "r4", "r5", "r6"];
var run = new Option<string>("--run") { Description = "r1: theory on oracle codes; r2: recovery of synthetic features; r4: IOI end to end; r5: occlusion; r6: over-splitting; all.", DefaultValueFactory = _ => "all" };
run.AcceptOnlyFromAmong([.. all, "all"]);
var seed = new Option<ulong[]>("--seed") { Description = "Seeds; each run is done once for each.", DefaultValueFactory = _ => [0], AllowMultipleArgumentsPerToken = true };
var output = new Option<string?>("--out") { Description = "Write the report to this folder, as sparse-autoencoder-tour.md." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Trains, loads and judges sparse autoencoders: the reduced reproductions of two papers on dictionaries of features.") { run, seed, output, toy };
command.SetAction(arguments =>
{
    LibTorch.EnsureLoaded();
    var settings = arguments.GetValue(toy) ? TourSettings.Toy : TourSettings.Default;
    var report = new Report(AnsiConsole.Profile.Out.Writer);
    foreach (var name in arguments.GetValue(run) == "all" ? all : [arguments.GetValue(run)!])
    {
        foreach (var one in arguments.GetValue(seed)!)
        {
            Tour.Execute(name, settings, report, one);
            if (arguments.GetValue(output) is not { } folder)
                continue;
            Directory.CreateDirectory(folder); // after every run, so that what stops a later one loses nothing
            AtomicFile.WriteText(Path.Combine(folder, "sparse-autoencoder-tour.md"), Tour.Head(arguments.GetValue(run)!, arguments.GetValue(seed)!) + report.Markdown);
        }
    }
    report.Say($"done");
    return 0;
});
try
{
    return await command.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException or ConfigurationException or TrainingDivergedException or LibTorchNotFoundException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
