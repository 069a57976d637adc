using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Products between different atoms: how nearly orthogonal they are.</summary>
/// <param name="Largest">Largest product, signed (epsilon_max).</param>
/// <param name="LargestAbsolute">Largest absolute product (epsilon).</param>
/// <param name="Mean">Mean product, signed (epsilon_mean).</param>
public sealed record DecoderCoherence(double Largest, double LargestAbsolute, double Mean)
{
    private const long BlockLength = 1024;

    /// <summary>Measures atoms (F, D) as they are, in row blocks: no F x F matrix is held.</summary>
    public static DecoderCoherence Of(Tensor atoms)
    {
        new TensorCheck(nameof(DecoderCoherence)).Floating(atoms, nameof(atoms), "F D");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var count = atoms.size(0);
        if (count < 2)
            return new(0, 0, 0);
        var (largest, absolute, sum) = (double.NegativeInfinity, 0.0, 0.0);
        for (long start = 0; start < count; start += BlockLength)
        {
            using var block = NewDisposeScope();
            var length = Math.Min(BlockLength, count - start);
            var products = atoms.narrow(0, start, length).mm(atoms.t());
            var own = zeros_like(products, ScalarType.Bool);
            own.diagonal(start).fill_(true);
            largest = Math.Max(largest, products.masked_fill(own, double.NegativeInfinity).max().to(ScalarType.Float64).item<double>());
            var off = products.masked_fill(own, 0);
            absolute = Math.Max(absolute, off.abs().max().to(ScalarType.Float64).item<double>());
            sum += off.to(ScalarType.Float64).sum().item<double>();
        }
        return new(largest, absolute, sum / ((double)count * (count - 1)));
    }
}
