using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The two sides of a case, each returning what it computed, and the inputs and modules they share.</summary>
/// <remarks>Each call runs in a dispose scope of its own; the results need no disposal by the side.</remarks>
internal sealed class RatioSides(Func<Tensor[]> baseline, Func<Tensor[]> ours, params IDisposable[] owned) : IDisposable
{
    internal Func<Tensor[]> Baseline { get; } = baseline;

    internal Func<Tensor[]> Ours { get; } = ours;

    public void Dispose()
    {
        foreach (var item in owned)
            item.Dispose();
    }
}
