using BenchmarkDotNet.Running;
using LmKit.Benchmarks.Ratios;

// ratios [--filter TEXT] [--threads N] [--processes N] [--json FILE] [--out FILE.md, without a filter] compares ours with plain libtorch; any other verb (bdn ...) is BenchmarkDotNet's.
if (args is ["ratios", .. var rest])
{
    return RatioCommand.Run(rest, Console.Out, Console.Error);
}

if (args is [CaseOptions.Verb, .. var one])
{
    return CaseCommand.Run(one, Console.Error);
}

BenchmarkSwitcher.FromAssembly(typeof(RatioCommand).Assembly).Run(args is ["bdn", .. var forwarded] ? forwarded : args);
return 0;
