using System.CommandLine;
using LmKit;
using LmKit.QuickStart;

var text = new Option<string?>("--text") { Description = "Your own text: a UTF-8 file, or a folder of them. Default: the SDK's reference documentation." };
var output = new Option<string>("--out") { Description = "The model folder to write.", DefaultValueFactory = _ => "quickstart-model" };
var plot = new Option<string?>("--plot") { Description = "Write the loss curve as a PNG.", Arity = ArgumentArity.ZeroOrOne };
var prompt = new Option<string?>("--prompt") { Description = "The text to continue at the end. Default: the held-out text's first words." };
var steps = new Option<long?>("--steps") { Description = "Optimizer steps." };
var seed = new Option<ulong>("--seed") { Description = "Seed of parameters, data order and generated text." };
var saved = new Option<string?>("--model") { Description = "Only stream text from this model folder, saved by an earlier run." };
var greedy = new Option<bool>("--greedy") { Description = "Take the most likely token each time instead of drawing." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Trains a Monarch-linear H3 hybrid with Lambda-masked attention on text, measures it, saves it, reloads it, and streams text.")
{
    text, output, plot, prompt, steps, seed, saved, greedy, toy,
};
command.SetAction((arguments, cancellation) =>
{
    var settings = arguments.GetValue(toy) ? QuickStartSettings.Toy : QuickStartSettings.Default;
    settings = settings with { Steps = arguments.GetValue(steps) ?? settings.Steps };
    if (arguments.GetValue(saved) is { } folder)
    {
        var stream = new TextStream(folder, settings.GeneratedTokens, arguments.GetValue(seed), arguments.GetValue(greedy));
        stream.WriteTo(Console.Out, arguments.GetValue(prompt) ?? "The", cancellation);
        return Task.FromResult(0);
    }
    var split = arguments.GetValue(text) is { } path ? UserText.Read(path) : ReferenceProse.Read();
    split = split.Limit(settings.TextLimit);
    var picture = arguments.GetResult(plot) is null ? null : arguments.GetValue(plot) ?? "loss.png";
    new QuickStartRun(settings, arguments.GetValue(output)!, arguments.GetValue(seed), arguments.GetValue(greedy)).Execute(split, picture, arguments.GetValue(prompt), cancellation);
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
