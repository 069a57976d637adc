using LmKit;
using LmKit.Experiments;

try
{
    return await ExperimentCommand.Create(ExperimentCatalog.All).Parse(args).InvokeAsync(new() { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped; nothing was written.");
    return 130;
}
catch (Exception error) when (error is IOException or InvalidDataException or ArgumentException or UnauthorizedAccessException or TrainingDivergedException or LibTorchNotFoundException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
