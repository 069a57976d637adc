using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>Runs samplers to their end.</summary>
internal static class Draws
{
    internal static Tensor Last(DiffusionSampler sampler, Tensor prompt, long length, ulong seed, CallLedger? ledger = null)
    {
        using var random = new Generator(seed);
        using var rows = RowGenerators.Derive(random, prompt.size(0));
        Tensor? last = null;
        foreach (var grid in sampler.Sample(new SampleRequest(prompt, length) { Generators = rows }, ledger ?? new CallLedger()))
        {
            last?.Dispose();
            last = grid;
        }
        return last!;
    }
}
