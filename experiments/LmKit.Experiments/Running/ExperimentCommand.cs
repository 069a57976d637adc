using System.CommandLine;
using System.Diagnostics;

namespace LmKit.Experiments;

/// <summary>The command line: <c>list</c>, or an experiment's name with its options.</summary>
internal static class ExperimentCommand
{
    /// <summary>Makes the command for a catalog.</summary>
    internal static RootCommand Create(IReadOnlyList<Experiment> experiments)
    {
        var root = new RootCommand("Runs LmKit's reproductions and writes their reports.");
        var list = new Command("list", "Names the experiments.");
        list.SetAction(_ =>
        {
            foreach (var experiment in experiments)
                Console.WriteLine($"{experiment.Name,-20} {experiment.Title}");
        });
        root.Add(list);
        foreach (var experiment in experiments)
            root.Add(Command(experiment));
        return root;
    }

    private static Command Command(Experiment experiment)
    {
        var seeds = new Option<int[]>("--seed") { Description = "Seeds, one run each.", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => [0, 1, 2] };
        var output = new Option<string?>("--out") { Description = "Folder for the report and its pictures; without it the report goes to the console alone." };
        var toy = new Option<bool>("--toy") { Description = "A run of seconds that only shows that everything works." };
        var command = new Command(experiment.Name, experiment.Title) { seeds, output, toy };
        command.SetAction((arguments, cancellation) =>
        {
            var isToy = arguments.GetValue(toy);
            var runs = new List<ExperimentRun>();
            ExperimentReport report;
            do
            {
                runs.Add(Run(experiment, arguments.GetValue(seeds)![runs.Count], isToy, cancellation));
                report = new ExperimentReport(experiment, [.. runs], isToy);
                if (arguments.GetValue(output) is { } folder)
                    report.Save(folder); // after every seed, so that what stops a later one loses nothing
            }
            while (runs.Count < arguments.GetValue(seeds)!.Length);
            Console.WriteLine(report.ToMarkdown());
            return Task.FromResult(isToy || report.IsReproduced ? 0 : 2);
        });
        return command;
    }

    private static ExperimentRun Run(Experiment experiment, int seed, bool isToy, CancellationToken cancellation)
    {
        LibTorch.EnsureLoaded();
        var clock = Stopwatch.StartNew();
        var result = experiment.Run(new ExperimentSetting(seed, isToy, new ConsoleLines(clock)), cancellation);
        return new ExperimentRun(seed, clock.Elapsed, result);
    }

    private sealed class ConsoleLines(Stopwatch clock) : IProgress<string>
    {
        public void Report(string value) => Console.Error.WriteLine(FormattableString.Invariant($"[{clock.Elapsed.TotalSeconds,5:F0} s] {value}"));
    }
}
