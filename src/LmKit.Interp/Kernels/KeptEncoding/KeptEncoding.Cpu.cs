using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal sealed partial record KeptEncoding
{
    private const int TileWidth = 64;
    private const int BlockHeight = 16;

    /// <summary>The gradients of inputs (none), encoder, decoder bias and, where there is one, encoder bias.</summary>
    internal unsafe IReadOnlyList<Tensor?> CpuBackward(Tensor gradient, bool[]? slopes, IReadOnlyList<Tensor> inputs)
    {
        var (height, width) = ((int)inputs[1].size(0), Kept.FeatureCount);
        var forEncoder = empty([height, width], ScalarType.Float32);
        var forBias = zeros([width], ScalarType.Float32);
        using var rows = new TensorMemory<float>(inputs[0].contiguous(), nameof(inputs));
        using var upstream = new TensorMemory<float>(gradient, nameof(gradient));
        using var target = new TensorMemory<float>(forEncoder, nameof(forEncoder));
        using var sums = new TensorMemory<float>(forBias, nameof(forBias));
        var (x, g, e, b) = ((nint)rows.Start, (nint)upstream.Start, (nint)target.Start, (nint)sums.Start);
        var (entries, starts, rowOf) = Kept.ByFeature();
        WorkerPool.Shared.Run((width + TileWidth - 1) / TileWidth, tile =>
        {
            // The tile's columns as rows, which are then turned.
            var (first, count) = (tile * TileWidth, Math.Min(TileWidth, width - (tile * TileWidth)));
            using var memory = ScratchMemory.Rent((long)count * height);
            new Span<float>(memory.Start, count * height).Clear();
            for (var column = 0; column < count; column++)
            {
                for (var at = starts[first + column]; at < starts[first + column + 1]; at++)
                {
                    var entry = entries[at];
                    if (slopes is not null && !slopes[entry])
                        continue;
                    var sent = ((float*)g)[entry];
                    ((float*)b)[first + column] += sent;
                    RowSums.Add(sent, (float*)x + ((long)rowOf[entry] * height), memory.Start + ((long)column * height), height);
                }
            }
            Turn(memory.Start, count, height, (float*)e + first, width);
        });
        var forDecoderBias = IsCentred && inputs[2].requires_grad ? inputs[1].detach().mv(forBias).neg_() : null;
        var gradients = new List<Tensor?> { null, inputs[1].requires_grad ? forEncoder : null, forDecoderBias };
        if (inputs.Count > 3)
            gradients.Add(inputs[3].requires_grad ? forBias : null);
        return gradients;
    }

    private unsafe float[] Gather(Tensor dense)
    {
        using var scope = NewDisposeScope();
        using var memory = new TensorMemory<float>(dense.detach().contiguous(), nameof(dense));
        var values = new float[Kept.Count];
        for (var row = 0; row < Kept.RowCount; row++)
        {
            for (var entry = Kept.RowStarts[row]; entry < Kept.RowStarts[row + 1]; entry++)
                values[entry] = memory.Start[((long)row * Kept.FeatureCount) + Kept.Features[entry]];
        }
        return values;
    }

    // (count, height) to (height, count), in blocks that the first cache holds.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Turn(float* source, int count, int height, float* target, long stride)
    {
        var block = stackalloc float[BlockHeight * TileWidth];
        for (var top = 0; top < height; top += BlockHeight)
        {
            var lines = Math.Min(BlockHeight, height - top);
            for (var column = 0; column < count; column++)
            {
                var from = source + ((long)column * height) + top;
                for (var line = 0; line < lines; line++)
                    block[(line * TileWidth) + column] = from[line];
            }
            for (var line = 0; line < lines; line++)
                new ReadOnlySpan<float>(block + (line * TileWidth), count).CopyTo(new Span<float>(target + ((top + line) * stride), count));
        }
    }
}
