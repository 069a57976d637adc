using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class KeptDecoding
{
    private const int RowsPerPiece = 16;
    private const int FeaturesPerPiece = 64;

    /// <summary>Row by row, a weighted sum of decoder rows.</summary>
    internal static unsafe Tensor Cpu(Tensor values, Tensor decoder, KeptFeatures kept)
    {
        using var scope = NewDisposeScope();
        var width = (int)decoder.size(1);
        var y = zeros([kept.RowCount, width], ScalarType.Float32);
        using var codes = new TensorMemory<float>(values.detach().contiguous(), nameof(values));
        using var weights = new TensorMemory<float>(decoder.detach().contiguous(), nameof(decoder));
        using var output = new TensorMemory<float>(y, nameof(y));
        var (a, d, o) = ((nint)codes.Start, (nint)weights.Start, (nint)output.Start);
        InPieces(kept.RowCount, RowsPerPiece, row =>
        {
            var target = (float*)o + ((long)row * width);
            for (var entry = kept.RowStarts[row]; entry < kept.RowStarts[row + 1]; entry++)
                RowSums.Add(((float*)a)[entry], (float*)d + ((long)kept.Features[entry] * width), target, width);
        });
        return y.MoveToOuterDisposeScope();
    }

    /// <summary>Feature by feature: da_ij = g_i d_j, and the decoder's row gets sum_i a_ij g_i.</summary>
    internal static unsafe IReadOnlyList<Tensor?> CpuBackward(Tensor gradient, Tensor values, Tensor decoder, KeptFeatures kept)
    {
        var width = (int)decoder.size(1);
        var forValues = empty([kept.Count], ScalarType.Float32);
        var forDecoder = zeros(decoder.shape, ScalarType.Float32);
        using var codes = new TensorMemory<float>(values.detach().contiguous(), nameof(values));
        using var weights = new TensorMemory<float>(decoder.detach().contiguous(), nameof(decoder));
        using var upstream = new TensorMemory<float>(gradient, nameof(gradient));
        using var first = new TensorMemory<float>(forValues, nameof(forValues));
        using var second = new TensorMemory<float>(forDecoder, nameof(forDecoder));
        var (a, d, g, da, dd) = ((nint)codes.Start, (nint)weights.Start, (nint)upstream.Start, (nint)first.Start, (nint)second.Start);
        var (entries, starts, rows) = kept.ByFeature();
        InPieces(kept.FeatureCount, FeaturesPerPiece, feature =>
        {
            var row = (float*)d + ((long)feature * width);
            var target = (float*)dd + ((long)feature * width);
            for (var at = starts[feature]; at < starts[feature + 1]; at++)
            {
                var entry = entries[at];
                ((float*)da)[entry] = RowSums.DotAndAdd((float*)g + ((long)rows[entry] * width), row, ((float*)a)[entry], target, width);
            }
        });
        return [values.requires_grad ? forValues : null, decoder.requires_grad ? forDecoder : null];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InPieces(int count, int each, Action<int> one) => WorkerPool.Shared.Run((count + each - 1) / each, piece =>
    {
        for (var index = piece * each; index < Math.Min(count, (piece + 1) * each); index++)
            one(index);
    });
}
