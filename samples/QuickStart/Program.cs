using System.CommandLine;
using System.Diagnostics;
using System.Text;
using LmKit.QuickStart;
using Spectre.Console;

var text = new Option<string?>("--text") { Description = "Your own text: a UTF-8 file, or a folder of them. Default: the SDK's reference documentation." };
var command = new RootCommand("What simple models and a compressor make of the text.") { text };
command.SetAction((arguments, cancellation) =>
{
    var watch = Stopwatch.StartNew();
    var split = arguments.GetValue(text) is { } path ? UserText.Read(path) : ReferenceProse.Read();
    var (training, validation) = (Encoding.UTF8.GetBytes(split.Training), Encoding.UTF8.GetBytes(split.Validation));
    Console.WriteLine($"{split.Source}: {training.Length:N0} bytes to train on, {validation.Length:N0} held out ({100.0 * validation.Length / (training.Length + validation.Length):F1} %), read in {watch.Elapsed.TotalSeconds:F1} s");
    Console.WriteLine($"held out: {string.Join(", ", split.HeldOut)}");
    var table = new Table().AddColumns("reference", "bits per byte", "seconds");
    foreach (var yardstick in Yardstick.ByteModels(training, validation).Concat(Yardstick.Compressors(training, validation, cancellation)))
    {
        table.AddRow(yardstick.Name, $"{yardstick.BitsPerByte:F3}", $"{yardstick.Elapsed.TotalSeconds:F1}");
    }

    AnsiConsole.Write(table);
    return Task.FromResult(0);
});
try
{
    return await command.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception error) when (error is IOException or InvalidDataException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
