using LmKit.LossHashes;

try
{
    return args switch
    {
        ["check", .. var options] when Options.Read(options) is { } read => await LossHashRun.CheckAsync(Console.Out, read) ? 0 : 1,
        ["record", .. var options] when Options.Read(options) is { } read => await LossHashRun.RecordAsync(Console.Out, read) ? 0 : 1,
        _ => Usage(),
    };
}
catch (Exception error) when (error is IOException or InvalidDataException or UnauthorizedAccessException)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}

static int Usage()
{
    Console.WriteLine("""
        Runs every sample and experiment at toy size and hashes the losses of their training, bit for bit.
          check  [--only NAME] [--file PATH]   compare with the record, and list what moved
          record [--only NAME] [--file PATH]   write the record
        The record is docs/results/loss-hashes.json; what the programs recorded, printed and wrote stays in artifacts/loss-hashes.
        To see the losses of any other run: DOTNET_STARTUP_HOOKS=PATH/LmKit.LossHashes.dll LMKIT_LOSSES=FILE, then the program.
        """);
    return 2;
}
