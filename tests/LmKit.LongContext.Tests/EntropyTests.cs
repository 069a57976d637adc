using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Why a window is kept: with bounded scores the entropy of full attention grows without end, and that of the Lambda mask does not.</summary>
[NoTensorLeak]
public sealed class EntropyTests
{
    private const double Bound = 1; // of every score: queries and keys are scaled so
    private const long Window = 32;
    private const long Starts = 4;

    [Theory]
    [InlineData(64)]
    [InlineData(512)]
    [InlineData(4096)]
    public void It_is_at_least_ln_n_less_twice_the_bound_and_at_most_ln_of_what_the_mask_keeps(long length)
    {
        using var scope = NewDisposeScope();
        var full = Entropy(length, new LambdaMask(new LambdaMaskOptions { LocalLength = length }));
        var kept = Entropy(length, new LambdaMask(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts }));

        Assert.InRange(full, Math.Log(length) - 2 * Bound, Math.Log(length));
        Assert.InRange(kept, Math.Log(Window + Starts) - 2 * Bound, Math.Log(Window + Starts));
    }

    // Values that are unit vectors make the last query's output its weights.
    private static double Entropy(long length, LambdaMask mask)
    {
        var width = length;
        var (q, k) = (Inputs.Random(1, 1, 1, 1, width), Inputs.Random(2, 1, 1, length, width));
        (q, k) = (q / q.norm(-1, keepdim: true), k / k.norm(-1, keepdim: true) * (Bound * Math.Sqrt(width)));
        var weights = mask.Attend(Inputs.Uniform(q, k, eye(length, dtype: ScalarType.Float64).view(1, 1, length, length), null))!.view(-1);
        Assert.Equal(1, weights.sum().item<double>(), 1e-9);
        return -(weights * weights.clamp(min: 1e-300).log()).sum().item<double>();
    }
}
