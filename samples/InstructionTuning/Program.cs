using System.CommandLine;
using LmKit;
using LmKit.InstructionTuning;
using Spectre.Console;

var seeds = new Option<long[]>("--seed") { Description = "Seeds, each a run of its own.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [5, 6, 7, 8, 9] };
var recipes = new Option<string[]>("--recipe") { Description = "literal: the specification's articles, steps and start. varied: articles that open with one to three facts, fewer steps, a smaller start.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [.. TuningRecipe.All.Select(recipe => recipe.Name)] };
_ = recipes.AcceptOnlyFromAmong([.. TuningRecipe.All.Select(recipe => recipe.Name)]);
var output = new Option<string>("--out") { Description = "Where instruction-tuning.md goes.", DefaultValueFactory = _ => "run/instruction-tuning" };
var work = new Option<string?>("--work") { Description = "Where data sets and models are kept. Default: a folder for temporary files, emptied afterwards." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Tunes a model that answers questions with questions, on text without any question, until it talks about what it was asked.") { seeds, recipes, output, work, toy };
command.SetAction(async (arguments, cancellation) =>
{
    var settings = arguments.GetValue(toy) ? TuningSettings.Toy : TuningSettings.Default;
    var chosen = arguments.GetValue(toy) && arguments.GetResult(seeds)?.Implicit != false ? [0] : arguments.GetValue(seeds)!;
    TuningRecipe[] followed = [.. TuningRecipe.All.Where(recipe => arguments.GetValue(recipes)!.Contains(recipe.Name))];
    var results = new List<SeedResult>();
    var folder = arguments.GetValue(work) ?? Directory.CreateTempSubdirectory("lmkit-").FullName;
    try
    {
        foreach (var seed in chosen)
        {
            var run = new SeedRun(settings, followed, seed, Path.Combine(folder, $"seed-{seed}"));
            results.Add(await RunDisplay.ShowAsync(seed, report => run.ExecuteAsync(report, cancellation)));
        }
    }
    finally
    {
        if (arguments.GetValue(work) is null)
            Directory.Delete(folder, recursive: true);
    }
    foreach (var recipe in followed)
    {
        var table = new Table().Border(TableBorder.Simple).Title($"{recipe.Name} recipe").AddColumns([.. ResultPage.Headings]);
        foreach (var row in ResultPage.Rows(results, recipe))
            _ = table.AddRow([.. row]);
        AnsiConsole.Write(table);
        AnsiConsole.WriteLine($"The {recipe.Name} recipe counts as reproduced: {ResultPage.Verdict(results, recipe)}.");
    }
    var page = Path.Combine(arguments.GetValue(output)!, "instruction-tuning.md");
    _ = Directory.CreateDirectory(arguments.GetValue(output)!);
    AtomicFile.WriteText(page, ResultPage.Write(results, settings, TorchSharp.torch.get_num_threads()));
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
