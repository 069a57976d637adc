using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Rotary positions by hand, half-split as in Llama, from a table of cosines and sines that is made once.</summary>
internal sealed class RotaryTable : IDisposable
{
    private readonly Tensor cos; // (positions, P / 2)
    private readonly Tensor sin;

    internal RotaryTable(long positions, long width, double wavelength = 10_000)
    {
        using var scope = NewDisposeScope();
        var frequencies = (arange(0, width / 2, ScalarType.Float64) * (-2.0 / width * Math.Log(wavelength))).exp();
        var phases = arange(0, positions, ScalarType.Float64).unsqueeze(-1) * frequencies;
        (cos, sin) = (phases.cos().to(ScalarType.Float32).DetachFromDisposeScope(), phases.sin().to(ScalarType.Float32).DetachFromDisposeScope());
    }

    /// <summary>x (B, H, L, P) turned by its positions, of which it begins at the first.</summary>
    internal Tensor Turn(Tensor x, long first)
    {
        using var scope = NewDisposeScope();
        var (cos, sin, half) = (this.cos.narrow(0, first, x.size(2)), this.sin.narrow(0, first, x.size(2)), x.size(3) / 2);
        var (a, b) = (x.narrow(3, 0, half), x.narrow(3, half, half));
        return cat([a * cos - b * sin, b * cos + a * sin], 3).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        cos.Dispose();
        sin.Dispose();
    }
}
