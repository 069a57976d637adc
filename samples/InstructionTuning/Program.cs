using System.CommandLine;
using System.Diagnostics;
using LmKit;
using LmKit.InstructionTuning;
using Spectre.Console;

var seeds = new Option<long[]>("--seed") { Description = "Seeds, each a run of its own.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [0, 1, 2] };
var output = new Option<string>("--out") { Description = "Where instruction-tuning.md goes.", DefaultValueFactory = _ => "run/instruction-tuning" };
var work = new Option<string?>("--work") { Description = "Where data sets and models are kept. Default: a folder for temporary files, emptied afterwards." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Tunes a model that answers questions with questions, on text without any question, until it talks about what it was asked.") { seeds, output, work, toy };
command.SetAction(async (arguments, cancellation) =>
{
    var settings = arguments.GetValue(toy) ? TuningSettings.Toy : TuningSettings.Default;
    var chosen = arguments.GetValue(toy) && arguments.GetResult(seeds)?.Implicit != false ? [0] : arguments.GetValue(seeds)!;
    var results = new List<ArmResult>();
    var runs = new List<SeedSummary>();
    var folder = arguments.GetValue(work) ?? Directory.CreateTempSubdirectory("lmkit-").FullName;
    try
    {
        foreach (var seed in chosen)
        {
            var clock = Stopwatch.StartNew();
            var run = new SeedRun(settings, seed, Path.Combine(folder, $"seed-{seed}"));
            results.AddRange(await RunDisplay.ShowAsync(seed, settings, report => run.ExecuteAsync(report, cancellation)));
            runs.Add(new SeedSummary(seed, clock.Elapsed, run.ExampleCount, run.Ratings!));
        }
    }
    finally
    {
        if (arguments.GetValue(work) is null)
            Directory.Delete(folder, recursive: true);
    }
    var table = new Table().Border(TableBorder.Simple).AddColumns([.. ResultPage.Headings]);
    foreach (var row in ResultPage.Rows(results))
        _ = table.AddRow([.. row]);
    AnsiConsole.Write(table);
    var isReproduced = Reproduction.Judge(results).All(condition => condition.Holds);
    AnsiConsole.WriteLine(isReproduced ? "Counts as reproduced." : "Does not count as reproduced; the page says which window fails.");
    var page = Path.Combine(arguments.GetValue(output)!, "instruction-tuning.md");
    _ = Directory.CreateDirectory(arguments.GetValue(output)!);
    AtomicFile.WriteText(page, ResultPage.Write(results, settings, runs, TorchSharp.torch.get_num_threads()));
    AnsiConsole.WriteLine($"Written to {page}");
    return 0;
});
try
{
    return await command.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped.");
    return 130;
}
catch (Exception error) when (error is IOException or ArgumentException or ConfigurationException or DatasetException or TrainingDivergedException or LibTorchNotFoundException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
