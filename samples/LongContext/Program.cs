using System.CommandLine;
using LmKit;
using LmKit.LongStream;
using LmKit.QuickStart;

var folder = new Argument<string?>("folder") { Description = "A model's folder: LmKit's, or a published one. Default: QuickStart's model, which is trained first where it is not there.", Arity = ArgumentArity.ZeroOrOne };
var text = new Option<string?>("--text") { Description = "The text to read: a UTF-8 file, or a folder of them. Default: the SDK's reference documentation; of either, the part that QuickStart holds out." };
var tokens = new Option<int?>("--tokens") { Description = "Tokens to read. Default 100,000." };
var chunk = new Option<int?>("--chunk") { Description = "Tokens of a call. Default 512." };
var bin = new Option<int?>("--bin") { Description = "Tokens of a point of the curves, a multiple of --chunk. Default 2,048." };
var lambda = new Option<long?>("--lambda") { Description = "Attend by a Lambda mask with this window in place of the model's own mask." };
var starts = new Option<long?>("--starts") { Description = "Starting tokens that stay visible under --lambda. Default 10." };
var full = new Option<bool>("--full") { Description = "Attend to all earlier tokens in place of the model's own mask: what happens without this package." };
var plot = new Option<string?>("--plot") { Description = "The PNG file to write. Default: long-context.png; below --out where that is given." };
var output = new Option<string>("--out") { Description = "The folder for the model that is trained where none is there, and for the plot.", DefaultValueFactory = _ => "." };
var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
var command = new RootCommand("Streams a long text through a model in constant memory, and plots perplexity and memory while it reads.") { folder, text, tokens, chunk, bin, lambda, starts, full, plot, output, toy };
command.SetAction((arguments, cancellation) =>
{
    LibTorch.EnsureLoaded();
    var isToy = arguments.GetValue(toy);
    var settings = isToy ? LongStreamSettings.Toy : LongStreamSettings.Default;
    settings = new LongStreamSettings(arguments.GetValue(tokens) ?? settings.Tokens, arguments.GetValue(chunk) ?? settings.ChunkLength, arguments.GetValue(bin) ?? settings.BinLength);
    if (settings.Tokens < 1 || settings.ChunkLength < 1 || settings.BinLength < 1)
        throw new ArgumentException($"--tokens {settings.Tokens}, --chunk {settings.ChunkLength} and --bin {settings.BinLength} must be 1 or more.");
    if (arguments.GetValue(full) && arguments.GetValue(lambda) is not null)
        throw new ArgumentException("--full and --lambda are two masks; give one of them.");
    if (arguments.GetValue(starts) is { } given && arguments.GetValue(lambda) is null)
        throw new ArgumentException($"--starts {given} belongs to --lambda, which is not given.");
    Action<LanguageModelBuilder>? change = arguments.GetValue(full)
        ? builder => builder.AddCausalMask()
        : arguments.GetValue(lambda) is { } window
            ? builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (window, arguments.GetValue(starts) ?? mask.GlobalLength))
            : null;
    var split = arguments.GetValue(text) is { } path ? UserText.Read(path) : ReferenceProse.Read();
    var target = arguments.GetValue(output)!;
    var model = arguments.GetValue(folder) ?? Path.Combine(target, "quickstart-model");
    if (arguments.GetValue(folder) is null && !File.Exists(Path.Combine(model, "config.json")))
    {
        var size = isToy ? QuickStartSettings.Toy : QuickStartSettings.Default;
        new QuickStartRun(size, model, seed: 0, greedy: false).Execute(split.Limit(size.TextLimit), plot: null, prompt: null, cancellation);
    }
    _ = new LongStreamRun(settings, change).Execute(model, split.Validation, arguments.GetValue(plot) ?? Path.Combine(target, "long-context.png"), cancellation);
    return Task.FromResult(0);
});
try
{
    return await command.Parse(args).InvokeAsync(new System.CommandLine.InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped.");
    return 130;
}
catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException or NotSupportedException or ConfigurationException or CheckpointException or CheckpointMismatchException or SafetensorsException or TrainingDivergedException or LibTorchNotFoundException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
