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
    var (seed, count) = ((long)Number(options, "--seed", 1), (int)Number(options, "--count", 200));
    var clock = Stopwatch.StartNew();
    var earlier = options.Contains("--survivors") ? ResultFile.Read(seed) ?? throw new InvalidOperationException($"There is no {ResultFile.Path(seed)} to try again.") : null;
    _ = Directory.CreateDirectory(Repository.Artifacts);
    var core = new CoreCompilation();
    var all = Candidates(core);
    var random = new Random((int)seed);
    random.Shuffle(all);
    var (named, sample) = new MutatedBuild(core, Console.Out).Make(NamedMutants.Read(core.Chosen), all, count);
    Console.WriteLine($"{sample.Count} of {all.Length} changes and {named.Count} named ones built after {clock.Elapsed.TotalSeconds:0} s");

    var before = earlier?.Results.ToDictionary(result => result.Key) ?? [];
    Mutant[] wanted = [.. named.Concat(sample).Where(mutant => before.GetValueOrDefault(mutant.Key)?.Last != MutantResult.Seen)];
    var results = new Dictionary<string, MutantResult>(before);
    using var worker = new WorkerClient();
    var minutes = TimeSpan.FromMinutes(Number(options, "--minutes", 60));
    foreach (var (mutant, outcome, test) in new MutationRun(worker, Console.Out, minutes).Run(wanted, Text(options, "--tests")?.Split(',')))
    {
        results[mutant.Key] = new MutantResult(mutant.Text, mutant.Key, named.Contains(mutant), before.GetValueOrDefault(mutant.Key)?.First ?? outcome, outcome, test);
        new ResultFile(seed, count, DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), clock.Elapsed.TotalMinutes, [.. results.Values]).Write();
    }
    MutantResult[] sampled = [.. results.Values.Where(result => !result.IsNamed)];
    Console.WriteLine($"seed {seed}: seen {Report.Score(sampled, result => result.Last)}; named {Report.Score(results.Values.Except(sampled), result => result.Last)}; {clock.Elapsed.TotalMinutes:0.0} minutes");
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
    Report.Write(seeds.Select(seed => ResultFile.Read(long.Parse(seed, CultureInfo.InvariantCulture)) ?? throw new InvalidOperationException($"Seed {seed} was not run here.")));
    return 0;
}

static string? Text(string[] options, string name) => Array.IndexOf(options, name) is var at and >= 0 && at + 1 < options.Length ? options[at + 1] : null;

static double Number(string[] options, string name, double usual) => Text(options, name) is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : usual;

static int Usage()
{
    Console.WriteLine("""
        run [--seed 1] [--count 200] [--minutes 60]   try changes of Core's sources, and those of named.json, against Core's tests
        run --seed 1 --survivors [--tests A,B]        try those again that the last run's tests did not see, with classes that are new
        report SEED...                                write docs/results/mutation.md from the runs of these seeds
        list                                          every change that could be made
        """);
    return 2;
}
