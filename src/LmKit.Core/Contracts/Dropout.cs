using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Dropout that draws from a given generator, so that a run is repeatable and resumable; acts in training only.</summary>
public sealed class Dropout : nn.Module<Tensor, Tensor>
{
    private readonly double rate;
    private readonly Generator random;

    /// <summary>Makes the layer.</summary>
    /// <param name="rate">Probability of zeroing an entry, in [0, 1); the rest is scaled by 1 / (1 - rate).</param>
    /// <param name="random">Source of randomness (a CPU generator); not disposed.</param>
    public Dropout(double rate, Generator random)
        : base(nameof(Dropout))
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rate);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rate, 1);
        this.rate = rate;
        this.random = random;
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        TensorCheck.CheckAlive(x, nameof(x), nameof(Dropout));
        if (!training || rate == 0)
            return x.alias();
        new TensorCheck(nameof(Dropout)).AnyFloating(x, nameof(x), "...");
        using var scope = NewDisposeScope();
        var kept = rand(x.shape, ScalarType.Float32, generator: random).ge_(rate).to(x.dtype, x.device); // 0 or 1
        // The factor of half precision is applied in float32, which only the product itself does.
        return (HalfPrecision.Is(x.dtype) ? x.mul(kept).mul_(1 / (1 - rate)) : x.mul(kept.mul_(1 / (1 - rate)))).MoveToOuterDisposeScope();
    }
}
