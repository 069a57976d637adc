using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace LmKit;

/// <summary>The fused convolution of one channel's sequences, or of as many neighbouring channels' as a vector has lanes.</summary>
/// <remarks>A kernel much shorter than the sequences runs along them in blocks of n samples. Modulo x^n - i what runs over a block's end is
/// imaginary, so that a block x_b follows from the complex signal x_b - i x_(b-1): the real part of K (x_b - i x_(b-1)) is the causal
/// result, and that of the sum over b of G_b conj(X_b - i X_(b-1)) the kernel's gradient.</remarks>
/// <typeparam name="V">The vector.</typeparam>
/// <typeparam name="T">Its operations.</typeparam>
internal static unsafe class ChannelConvolution<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    // Re and im of a power of two apart would fall on the same places of the first cache.
    private const int CacheOffset = 32;

    // Blocks pay where they are so many times shorter than the transform of the whole.
    private const int ShortestGain = 4;

    // Backward, blocks below this cost more to put together than their transforms save.
    private const int ShortestBackwardBlock = 1024;

    // Numbers of a sequence that are asked for ahead; the processor itself goes on from there.
    private const int LongestPrefetch = 512;

    /// <summary>y = g_out . (K * x + D x) with x = g_in . u.</summary>
    internal static void Forward(ConvolutionWork work, long channel)
    {
        var (grid, plan) = (work.Grid, PlanOf(work, work.Taps));
        var (n, lanes) = (plan.Length, LaneCount(grid));
        var (stride, all) = (n + CacheOffset, lanes * (n + CacheOffset));
        using var memory = ScratchMemory.Rent(2L * stride + 4L * all);
        float* re = memory.Start, im = re + stride, kernelRe = im + stride, kernelIm = kernelRe + all, rows = kernelIm + all, spare = rows + all;
        TransformKernels(work, plan, channel, lanes, kernelRe, kernelIm, stride, rows);
        for (long row = 0; row < grid.Rows; row++)
        {
            float* before = null;
            for (long start = 0; start < grid.Length; start += n)
            {
                var (offset, count) = (grid.Offset(row, channel, start), (int)Math.Min(n, grid.Length - start));
                var x = SequenceTiles<V, T>.Load(work.Source + offset, At(work.InputGate, offset), count, grid.Step, rows, n, stride);
                if (start == 0 && row + 1 < grid.Rows)
                    Prefetch(grid, grid.Offset(row + 1, channel, 0), (nint)work.Source, (nint)work.InputGate, (nint)work.OutputGate);
                var target = work.OutputGate is null && grid.Step == 1 && count == n ? work.Target + offset : spare;
                for (var lane = 0; lane < all; lane += stride)
                {
                    var source = Begin(x + lane, At(before, lane), re, im, n);
                    RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Convolve, source, target + lane);
                }
                if (target == spare)
                    SequenceTiles<V, T>.Store(spare, stride, At(work.OutputGate, offset), count, grid.Step, work.Target + offset);
                before = x;
                Swap(ref rows, ref spare);
            }
        }
    }

    /// <summary>Backward: with c = K * x and dc = g_out . dy, dx = conj(K) dC, dK = sum of dC conj(X), dg_out = c . dy, du = g_in . dx, dg_in = u . dx.</summary>
    internal static void Backward(ConvolutionWork work, long channel)
    {
        var (grid, plan) = (work.Grid, PlanOf(work, Math.Max(work.Taps, ShortestBackwardBlock)));
        var (n, lanes, needsResult) = (plan.Length, LaneCount(grid), work.OutputGateGradient is not null);
        var (stride, all, blocks) = (n + CacheOffset, lanes * (n + CacheOffset), (int)((grid.Length + n - 1) / n));
        var (isWhole, needsInput) = (blocks == 1, needsResult || work.NeedsKernel);
        using var memory = ScratchMemory.Rent(4L * stride + (isWhole ? 6L : 8L) * all);
        float* re = memory.Start, im = re + stride, xRe = im + stride, xIm = xRe + stride;
        float* kernelRe = xIm + stride, kernelIm = kernelRe + all, sumRe = kernelIm + all, sumIm = sumRe + all, rows = sumIm + all, product = rows + all;
        float* spare = product + all, over = spare + all;
        if (work.NeedsProduct || needsResult)
            TransformKernels(work, plan, channel, lanes, kernelRe, kernelIm, stride, rows);
        new Span<float>(sumRe, 2 * all).Clear();
        if (!needsInput)
            new Span<float>(xRe, 2 * stride).Clear(); // the sums meet zeros, which costs little
        for (long row = 0; row < grid.Rows; row++)
        {
            // The last block first: it gives the one before what its gradients have to say there.
            float* x = null;
            for (var block = blocks - 1; block >= 0; block--)
            {
                var start = (long)block * n;
                var (offset, count) = (grid.Offset(row, channel, start), (int)Math.Min(n, grid.Length - start));
                float* before = null;
                if (needsInput && x is null)
                    x = SequenceTiles<V, T>.Load(work.Source + offset, At(work.InputGate, offset), count, grid.Step, rows, n, stride);
                if (needsInput && block > 0)
                {
                    var earlier = grid.Offset(row, channel, start - n);
                    before = SequenceTiles<V, T>.Load(work.Source + earlier, At(work.InputGate, earlier), n, grid.Step, spare, n, stride);
                }
                var g = SequenceTiles<V, T>.Load(work.Upstream + offset, At(work.OutputGate, offset), count, grid.Step, product, n, stride);
                if (isWhole && row + 1 < grid.Rows)
                    Prefetch(grid, grid.Offset(row + 1, channel, 0), (nint)work.Source, (nint)work.OutputGate, (nint)work.Upstream);
                var dx = isWhole && work.InputGate is null && grid.Step == 1 && count == n && work.NeedsProduct ? work.SourceGradient + offset : product;
                for (var lane = 0; lane < all; lane += stride)
                {
                    var terms = new CorrelationTerms(re, xRe, xIm, sumRe + lane, sumIm + lane);
                    if (needsResult)
                    {
                        var source = Begin(x + lane, At(before, lane), re, im, n);
                        RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Convolve, source, rows + lane, &terms);
                    }
                    else if (needsInput)
                    {
                        var source = Begin(x + lane, At(before, lane), xRe, xIm, n);
                        RightAngleTransform<V, T>.Run(plan, xRe, xIm, null, null, TransformMode.Forward, source);
                    }
                    if (!work.NeedsProduct)
                    {
                        RightAngleTransform<V, T>.Run(plan, re, im, null, null, TransformMode.Forward, g + lane);
                        AddCorrelation(re, im, xRe, xIm, sumRe + lane, sumIm + lane, n);
                        continue;
                    }
                    RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Correlate, g + lane, isWhole ? dx + lane : null, &terms);
                    if (!isWhole)
                        AddOver(re, im, over + lane, dx + lane, n, isFirst: block == blocks - 1);
                }
                if (needsResult)
                    SequenceTiles<V, T>.Store(rows, stride, work.Upstream + offset, count, grid.Step, work.OutputGateGradient + offset);
                if (work.SourceGradient is not null && dx == product)
                    SequenceTiles<V, T>.Store(product, stride, At(work.InputGate, offset), count, grid.Step, work.SourceGradient + offset);
                if (work.InputGateGradient is not null)
                    SequenceTiles<V, T>.Store(product, stride, work.Source + offset, count, grid.Step, work.InputGateGradient + offset);
                x = before;
                if (!isWhole)
                    Swap(ref rows, ref spare);
            }
        }
        for (var lane = 0; work.NeedsKernel && lane < lanes; lane++)
            StoreKernelGradient(work, plan, channel + lane, sumRe + lane * stride, sumIm + lane * stride, product);
    }

    // Channels that one call takes.
    private static int LaneCount(SequenceGrid grid) => grid.IsChannelsLast ? T.Count : 1;

    private static RightAnglePlan PlanOf(ConvolutionWork work, long shortestBlock)
    {
        var whole = RightAnglePlans.For(T.Count, work.Grid.Length);
        var block = RightAnglePlans.For(T.Count, shortestBlock, isPowerOfTwo: true);
        return block.Length * ShortestGain <= whole.Length ? block : whole;
    }

    // The next sequence is elsewhere in memory: short ones would begin cold each time.
    private static void Prefetch(SequenceGrid grid, long offset, params ReadOnlySpan<nint> signals)
    {
        if (!Sse.IsSupported || grid.IsChannelsLast)
            return;
        var count = Math.Min(grid.Length, LongestPrefetch);
        foreach (var signal in signals)
        {
            if (signal == 0)
                continue;
            var from = (float*)signal + offset;
            for (var at = 0; at < count; at += 16)
                Sse.Prefetch0(from + at);
        }
    }

    // The kernels' spectra, D in the first tap and 1 / n of the way back included.
    private static void TransformKernels(ConvolutionWork work, RightAnglePlan plan, long channel, int lanes, float* re, float* im, int stride, float* padded)
    {
        var (taps, scale) = ((int)work.Taps, 1f / plan.Length);
        for (var lane = 0; lane < lanes; lane++)
        {
            Scale(work.Kernel + (channel + lane) * taps, scale, padded, taps);
            if (work.Skip is not null)
                padded[0] += work.Skip[channel + lane] * scale;
            new Span<float>(padded + taps, plan.Length - taps).Clear();
            RightAngleTransform<V, T>.Run(plan, re + lane * stride, im + lane * stride, null, null, TransformMode.Forward, padded);
        }
    }

    private static void StoreKernelGradient(ConvolutionWork work, RightAnglePlan plan, long channel, float* sumRe, float* sumIm, float* padded)
    {
        RightAngleTransform<V, T>.Run(plan, sumRe, sumIm, null, null, TransformMode.Inverse, target: padded);
        if (work.SkipGradient is not null)
            work.SkipGradient[channel] = padded[0] / plan.Length;
        if (work.KernelGradient is not null)
            Scale(padded, 1f / plan.Length, work.KernelGradient + channel * work.Taps, (int)work.Taps);
    }

    // Where a block's transform starts: at the block itself, real, or at now - i before in re and im.
    private static float* Begin(float* now, float* before, float* re, float* im, int count)
    {
        if (before is null)
            return now;
        Join(now, before, re, im, count);
        return null;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* from, float factor, float* to, int count)
    {
        var at = 0;
        for (; at <= count - T.Count; at += T.Count)
            T.Store(T.Multiply(T.Load(from + at), T.Broadcast(factor)), to + at);
        for (; at < count; at++)
            to[at] = from[at] * factor;
    }

    // re + i im = now - i before.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Join(float* now, float* before, float* re, float* im, int count)
    {
        for (var at = 0; at < count; at += T.Count)
        {
            T.Store(T.Load(now + at), re + at);
            T.Store(T.Subtract(T.Broadcast(0), T.Load(before + at)), im + at);
        }
    }

    // A gradient's correlation: what lies before the block came out imaginary and negative, and is kept for the block before.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddOver(float* re, float* im, float* over, float* to, int count, bool isFirst)
    {
        for (var at = 0; at < count; at += T.Count)
        {
            T.Store(isFirst ? T.Load(re + at) : T.Subtract(T.Load(re + at), T.Load(over + at)), to + at);
            T.Store(T.Load(im + at), over + at);
        }
    }

    // sum += g conj(x).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddCorrelation(float* gRe, float* gIm, float* xRe, float* xIm, float* sumRe, float* sumIm, int count)
    {
        for (var at = 0; at < count; at += T.Count)
        {
            var (x, y, p, q) = (T.Load(gRe + at), T.Load(gIm + at), T.Load(xRe + at), T.Load(xIm + at));
            T.Store(T.MultiplyAdd(y, q, T.MultiplyAdd(x, p, T.Load(sumRe + at))), sumRe + at);
            T.Store(T.SubtractMultiplied(x, q, T.MultiplyAdd(y, p, T.Load(sumIm + at))), sumIm + at);
        }
    }

    private static void Swap(ref float* a, ref float* b)
    {
        var kept = a;
        a = b;
        b = kept;
    }

    private static float* At(float* memory, long offset) => memory is null ? null : memory + offset;
}
