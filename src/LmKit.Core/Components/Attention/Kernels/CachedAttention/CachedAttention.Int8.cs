using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

internal static unsafe partial class CachedAttention
{
    // Keys of neighbouring slots as float32: the cache's own, or coarse ones in a tile.
    private static float* Keys(in CachedStep step, long first, KeyRun run, float* tile) => step.KeyScales is null
        ? step.Keys + ((first + run.Start) * step.HeadDim)
        : Widen(step.CoarseKeys + ((first + run.Start) * step.HeadDim), step.KeyScales + first + run.Start, run.Length, step.HeadDim, tile);

    private static float* Values(in CachedStep step, long first, KeyRun run, float* tile) => step.ValueScales is null
        ? step.Values + ((first + run.Start) * step.HeadDim)
        : Widen(step.CoarseValues + ((first + run.Start) * step.HeadDim), step.ValueScales + first + run.Start, run.Length, step.HeadDim, tile);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float* Widen(sbyte* codes, float* scales, int count, int width, float* tile)
    {
        var to = tile;
        for (var slot = 0; slot < count; slot++, codes += width, to += width)
        {
            var scale = scales[slot];
            var at = 0;
            if (SimdWidth.Bits == 512)
            {
                for (; at + 16 <= width; at += 16)
                    (Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(Vector128.Load(codes + at))) * scale).Store(to + at);
            }
            if (SimdWidth.Bits >= 256)
            {
                for (; at + 8 <= width; at += 8)
                    (Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32(codes + at)) * scale).Store(to + at);
            }
            for (; at < width; at++)
                to[at] = codes[at] * scale;
        }
        return tile;
    }
}
