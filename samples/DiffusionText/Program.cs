using System.CommandLine;
using LmKit;
using LmKit.DiffusionText;

string[] all = ["didi", "ablation", "auxiliary", "sdtt"];
var teacher = new Option<string?>("--teacher") { Description = "A teacher's weights (safetensors, published names). Default: one is trained here." };
var methods = new Option<string[]>("--methods") { Description = $"What to run: some of {string.Join(", ", all)}; teacher alone measures no student.", DefaultValueFactory = _ => all, AllowMultipleArgumentsPerToken = true };
methods.AcceptOnlyFromAmong([.. all, "teacher"]);
var seeds = new Option<ulong[]>("--seeds") { Description = "Seeds of DiDi-Instruct; the other methods take the first.", DefaultValueFactory = _ => [0, 1, 2], AllowMultipleArgumentsPerToken = true };
var seed = new Option<ulong?>("--seed") { Description = "One seed for everything, instead of --seeds." };
var output = new Option<string?>("--out") { Description = "A folder to write diffusiontext.md and diffusiontext.png into." };
var guarded = new Option<bool>("--guard") { Description = "Watch quality every 100 steps and stop a run that gets worse." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Distils a masked-diffusion teacher of a known Markov chain into students of few steps, and compares them with the truth.")
{
    teacher, methods, seeds, seed, output, guarded, toy,
};
command.SetAction((arguments, cancellation) =>
{
    var isToy = arguments.GetValue(toy);
    ulong[] chosen = arguments.GetValue(seed) is { } one ? [one] : isToy ? [arguments.GetValue(seeds)![0]] : arguments.GetValue(seeds)!;
    var run = new DiffusionRun(isToy ? RunSettings.Toy : RunSettings.Default, arguments.GetValue(methods)!, chosen, cancellation) { IsGuarded = arguments.GetValue(guarded) };
    var verdict = run.Execute(arguments.GetValue(teacher));
    string? picture = null;
    if (arguments.GetValue(output) is { } folder)
    {
        Directory.CreateDirectory(folder);
        picture = "diffusiontext.png";
        CurvePlot.Save(Path.Combine(folder, picture), run.Report.Curves);
        AtomicFile.WriteText(Path.Combine(folder, "diffusiontext.md"), run.Report.ToMarkdown($"dotnet run -c Release --project samples/DiffusionText -- {string.Join(' ', args)}", verdict, picture));
    }
    foreach (var check in isToy ? [] : run.Report.Checks)
        Console.WriteLine(check.Row);
    Console.WriteLine(verdict);
    return Task.FromResult(0);
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
catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException or ConfigurationException or CheckpointMismatchException or TrainingDivergedException or LibTorchNotFoundException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
