using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public sealed partial class PackedLinear
{
    // Below this much weight memory a second thread costs more than it saves.
    private const long BytesPerPiece = 1 << 19;

    /// <summary>The product by tiles of outputs: one stream over the packed weights, shared by up to eight rows at a time.</summary>
    internal static unsafe Tensor Cpu(Tensor x, PackedWeight weight, Tensor? bias)
    {
        var shape = x.shape;
        shape[^1] = weight.OutFeatures;
        var y = empty(shape, ScalarType.Float32);
        using var straight = x.is_contiguous() ? null : x.contiguous();
        using var straightBias = bias?.is_contiguous() ?? true ? null : bias!.contiguous();
        using var input = new TensorMemory<float>(straight ?? x, nameof(x));
        using var output = new TensorMemory<float>(y, nameof(y));
        if (output.Count == 0)
            return y;
        var rows = (int)(output.Count / weight.OutFeatures);
        using var offset = bias is null ? default : new TensorMemory<float>(straightBias ?? bias, nameof(bias));
        using var memory = ScratchMemory.Rent(PackedProduct.PanelCount(rows, weight));
        Multiply(new PackedProduct(input.Start, offset.Start, output.Start, rows, weight, memory.Start), weight);
        return y;
    }

    private static void Multiply(PackedProduct product, PackedWeight weight)
    {
        var pieces = (int)Math.Clamp(weight.TileCount * weight.TileBytes / BytesPerPiece, 1, weight.TileCount);
        if (pieces == 1)
            Run(product, weight, 0, weight.TileCount);
        else
            WorkerPool.Shared.Run(pieces, piece => Run(product, weight, Share(piece), Share(piece + 1)));

        int Share(int piece) => (int)((long)weight.TileCount * piece / pieces);
    }

    private static void Run(PackedProduct product, PackedWeight weight, int firstTile, int endTile)
    {
        if (weight.TileWidth == Avx512Lanes.Count)
            product.Run<Vector512<float>, Avx512Lanes>(firstTile, endTile);
        else if (weight.TileWidth == Avx2Lanes.Count)
            product.Run<Vector256<float>, Avx2Lanes>(firstTile, endTile);
        else
            product.Run<Vector128<float>, PortableLanes>(firstTile, endTile);
    }
}
