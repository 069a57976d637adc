using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The two ways to find supervised atoms, from one-hot codes (B, F).</summary>
internal static class SupervisedFit
{
    // Every block sums to the bias column, so the design never has full rank: small singular values are cut off.
    private const double RelativeCutoff = 1e-10;

    internal static (Tensor Atoms, Tensor Bias) Means(Tensor activations, Tensor codes)
    {
        var dtype = activations.dtype;
        (activations, codes) = (HalfPrecision.Widen(activations), HalfPrecision.Widen(codes)); // half precision cannot count the rows of a value
        var bias = activations.mean([0L]);
        var counts = codes.sum([0L]).unsqueeze(1);
        var means = codes.t().mm(activations) / counts.clamp_min(1) - bias;
        return (where(counts.gt(0), means, zeros_like(means)).to(dtype), bias.to(dtype));
    }

    internal static (Tensor Atoms, Tensor Bias) LeastSquares(Tensor activations, Tensor codes)
    {
        var design = cat([ones([codes.size(0), 1], codes.dtype, codes.device), codes], 1).to(ScalarType.Float64);
        var (u, s, vh) = linalg.svd(design, fullMatrices: false);
        var inverse = where(s.gt(s.max() * RelativeCutoff), 1 / s, zeros_like(s));
        var solution = (vh.t() * inverse).mm(u.t().mm(activations.to(ScalarType.Float64))).to(activations.dtype);
        return (solution.narrow(0, 1, codes.size(1)).clone(), solution[0].clone());
    }
}
