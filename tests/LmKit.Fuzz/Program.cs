using System.Globalization;
using LmKit.Fuzz;

LmKit.LibTorch.EnsureLoaded();
if (args is not ["worker", ..])
    Scratch.Clean();
return args switch
{
    ["run", .. var options] => new FuzzRun(Console.Out).Run(Chosen(Option(options, "--target")), TimeSpan.FromSeconds(Number(Option(options, "--seconds") ?? "60")), (long)Number(Option(options, "--seed") ?? "1")) ? 0 : 1,
    ["calls", .. var options] => new FuzzRun(Console.Out).Run(Called(Option(options, "--target")), TimeSpan.FromSeconds(Number(Option(options, "--seconds") ?? "60")), (long)Number(Option(options, "--seed") ?? "1")) ? 0 : 1,
    ["verify"] => Verify(),
    ["corpus"] => Corpus(null),
    ["corpus", var target] => Corpus(target),
    ["hostile", .. var options] => HostileTable.Run(Console.Out, Option(options, "--only"), options.Contains("--record")) ? 0 : 1,
    ["one", var target, var path] => One(TargetList.Find(target), path),
    ["list"] => List(),
    ["worker", var scratch, var parent] => Worker.Run(scratch, int.Parse(parent, CultureInfo.InvariantCulture), TargetList.Find),
    _ => Usage(),
};

static IReadOnlyList<FuzzTarget> Chosen(string? name) => name is null ? TargetList.All : [.. name.Split(',').Select(TargetList.Find)];

static IReadOnlyList<FuzzTarget> Called(string? part) => [.. TargetList.Calls.Where(target => part is null || target.Name.Contains(part, StringComparison.Ordinal))];

static string? Option(string[] options, string name) => Array.IndexOf(options, name) is var at and >= 0 && at + 1 < options.Length ? options[at + 1] : null;

static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

static int Verify()
{
    string[] differences = [.. CorpusStore.Differences(TargetList.All), .. CorpusStore.Refusals(TargetList.Calls)];
    foreach (var difference in differences)
        Console.WriteLine(difference);
    Console.WriteLine($"{CorpusStore.Manifest().Count} valid cases of {TargetList.All.Count} readers, {differences.Length} differences");
    return differences.Length == 0 ? 0 : 1;
}

static int Corpus(string? target)
{
    CorpusStore.Write(Chosen(target), Console.Out);
    return 0;
}

static int One(FuzzTarget target, string path)
{
    var reading = SingleCase.Read(target, path);
    Console.WriteLine($"{reading.Outcome} {reading.Fault} {reading.Value} {reading.ProcessorTime.TotalSeconds:0.00} s {reading.PeakBytes >> 20} MiB");
    Console.WriteLine(reading.Message);
    return reading.Outcome is Outcome.Accepted or Outcome.Refused ? 0 : 1;
}

static int List()
{
    foreach (var target in TargetList.All)
        Console.WriteLine($"{target.Name}: {string.Join(", ", CorpusStore.Seeds(target).Select(seed => seed.Seed))}");
    return 0;
}

static int Usage()
{
    Console.WriteLine("""
        run [--seconds 60] [--seed 1] [--target NAME,NAME]   damage the corpus and count what readers make of it
        calls [--seconds 60] [--seed 1] [--target PART]      call entry points with arguments of every kind and count what comes of it
        verify                                               every valid file is read and holds what the manifest says
        corpus [TARGET]                                      write the valid files and the manifest anew
        hostile [--only PART] [--record]                     read what somebody thought up against the readers, and compare with hostile/table.json
        one TARGET PATH                                      read a folder, or a file in the place of the valid one of its name
        list                                                 targets and their valid cases
        """);
    return 2;
}
