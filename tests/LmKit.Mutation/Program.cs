using System.Diagnostics;
using System.Globalization;
using LmKit.Mutation;

return args switch
{
    ["worker"] => TestWorker.Serve(),
    ["list"] => List(),
    ["run", .. var options] => Run(options),
    ["report", .. var seeds] => WriteReport(seeds),
    _ => Usage(),
};

static int Run(string[] options)
{
    var clock = Stopwatch.StartNew();
    _ = Directory.CreateDirectory(Repository.Artifacts);
    var core = new CoreCompilation();
    var all = Candidates(core);
    var (named, samples) = (NamedMutants.Read(core.Chosen), Sample.Parse(Text(options, "--sample") ?? "1:200", all));
    new MutatedBuild(core, Console.Out).Make(named, samples);
    Console.WriteLine($"{samples.Sum(sample => sample.Taken.Count)} of {all.Length} changes and {named.Count} named ones built after {clock.Elapsed.TotalSeconds:0} s");

    var goesOn = options.Contains("--go-on");
    var files = samples.Select(sample => new ResultFile(sample, named, goesOn)).ToArray();
    foreach (var file in files)
        Array.ForEach(files, file.Take);
    Mutant[] wanted = [.. files.SelectMany(file => file.Wanted).Distinct().OrderByDescending(mutant => files.Any(file => file.Has(mutant)))];
    using var worker = new WorkerClient();
    var run = new MutationRun(worker, Console.Out, TimeSpan.FromMinutes(Number(options, "--minutes", 60))) { NewTests = Text(options, "--new-tests")?.Split(',') };
    foreach (var (mutant, outcome, test) in run.Run(wanted, mutant => files.Any(file => file.Has(mutant))))
    {
        foreach (var file in files)
            file.Add(mutant, outcome, test, clock.Elapsed);
        clock.Restart();
    }
    foreach (var file in files)
        Console.WriteLine($"seed {file.Seed}: seen {Report.Score(file.Results.Where(result => !result.IsNamed), result => result.Last)}; named {Report.Score(file.Results.Where(result => result.IsNamed), result => result.Last)}; {file.Minutes:0.0} minutes");
    return 0;
}

static Mutant[] Candidates(CoreCompilation core)
{
    Mutant[] all = [.. core.Chosen.SelectMany(tree => MutantFinder.Find(Repository.Relative(tree.FilePath), tree.GetRoot()))];
    foreach (var alike in all.GroupBy(mutant => mutant.Key).ToArray())
    {
        foreach (var (twin, mutant) in alike.Index())
            mutant.Twin = twin;
    }
    return all;
}

static int List()
{
    var all = Candidates(new CoreCompilation());
    foreach (var mutant in all)
        Console.WriteLine(mutant.Text);
    Console.WriteLine($"{all.Length} changes: {string.Join(", ", all.CountBy(mutant => mutant.Kind).Select(kind => $"{kind.Value} {kind.Key}"))}");
    return 0;
}

static int WriteReport(string[] seeds)
{
    Report.Write(seeds.Select(seed => ResultFile.Read(long.Parse(seed, CultureInfo.InvariantCulture))));
    return 0;
}

static string? Text(string[] options, string name) => Array.IndexOf(options, name) is var at and >= 0 && at + 1 < options.Length ? options[at + 1] : null;

static double Number(string[] options, string name, double usual) => Text(options, name) is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : usual;

static int Usage()
{
    Console.WriteLine("""
        run [--sample 1:200] [--minutes 60]     try changes of Core's sources, drawn by seeds, and those of named.json, against Core's tests
        run --go-on [--new-tests A,B]           try those that no run has tried, and those again that were not seen: by the tests of new classes A and B
        report SEED...                          write docs/results/mutation.md from the runs of these seeds
        list                                    every change that could be made
        """);
    return 2;
}
