using BenchmarkDotNet.Running;
using LmKit.Benchmarks.Ratios;

// ratios [OPTIONS] compares ours with plain libtorch; readme [--check] brings its figures into the texts; floors makes what ratios --gate
// holds; any other verb (bdn ...) is BenchmarkDotNet's.
switch (args)
{
    case ["ratios", .. var rest]:
        return RatioCommand.Run(rest, Console.Out, Console.Error);
    case ["readme", .. var rest]:
        return ReadmeCommand.Run(rest, Console.Out, Console.Error);
    case ["floors", .. var rest]:
        return FloorsCommand.Run(rest, Console.Out, Console.Error);
    case [CaseOptions.Verb, .. var one]:
        return CaseCommand.Run(one, Console.Error);
    default:
        BenchmarkSwitcher.FromAssembly(typeof(RatioCommand).Assembly).Run(args is ["bdn", .. var forwarded] ? forwarded : args);
        return 0;
}
