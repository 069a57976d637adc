using System.Runtime.CompilerServices;

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

    /// <summary>Forward.</summary>
    internal static void Forward(ConvolutionWork work, long channel)
    {
        var (grid, plan) = (work.Grid, PlanOf(work, out var blocks));
        var (n, lanes, isInBlocks) = (plan.Length, LaneCount(grid), blocks > 1);
        var stride = n + CacheOffset;
        using var memory = ScratchMemory.Rent((2L + lanes * (isInBlocks ? 4 : 3)) * stride);
        float* re = memory.Start, im = re + stride, kernelRe = im + stride, kernelIm = kernelRe + lanes * stride, now = kernelIm + lanes * stride;
        var before = now + lanes * stride;
        TransformKernels(work, plan, channel, lanes, kernelRe, kernelIm, stride, now);
        for (long row = 0; row < grid.Rows; row++)
        {
            if (isInBlocks)
                new Span<float>(before, lanes * stride).Clear();
            for (long start = 0; start < grid.Length; start += n)
            {
                var (offset, count) = (grid.Offset(row, channel, start), (int)Math.Min(n, grid.Length - start));
                var isDirect = !isInBlocks && lanes == 1 && count == n;
                var source = isDirect && work.InputGate is null ? work.Source + offset : now;
                var target = isDirect && work.OutputGate is null ? work.Target + offset : isInBlocks ? before : now;
                if (source == now)
                    SequenceTiles<V, T>.Load(work.Source + offset, At(work.InputGate, offset), count, grid.Step, now, n, stride);
                for (var lane = 0; lane < lanes * stride; lane += stride)
                {
                    if (isInBlocks)
                        Join(now + lane, before + lane, re, im, n);
                    RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Convolve, isInBlocks ? null : source + lane, target + lane);
                }
                if (target == now || target == before)
                    SequenceTiles<V, T>.Store(target, stride, At(work.OutputGate, offset), count, grid.Step, work.Target + offset);
                if (isInBlocks)
                    Swap(ref now, ref before);
            }
        }
    }

    /// <summary>Backward: with c = K * x and dc = g_out . dy, dx = conj(K) dC, dK = sum of dC conj(X), dg_out = c . dy, du = g_in . dx, dg_in = u . dx.</summary>
    internal static void Backward(ConvolutionWork work, long channel)
    {
        var (grid, plan) = (work.Grid, PlanOf(work, out var blocks));
        var (n, lanes, isInBlocks) = (plan.Length, LaneCount(grid), blocks > 1);
        var (stride, needsResult) = (n + CacheOffset, work.OutputGateGradient is not null);
        var needsInput = needsResult || work.NeedsKernel;
        var all = lanes * stride;
        using var memory = ScratchMemory.Rent(4L * stride + (isInBlocks ? 8 : 6) * all);
        float* re = memory.Start, im = re + stride, xRe = im + stride, xIm = xRe + stride;
        float* kernelRe = xIm + stride, kernelIm = kernelRe + all, sumRe = kernelIm + all, sumIm = sumRe + all, now = sumIm + all, upstream = now + all;
        float* before = upstream + all, over = before + all;
        if (work.NeedsProduct || needsResult)
            TransformKernels(work, plan, channel, lanes, kernelRe, kernelIm, stride, now);
        new Span<float>(xRe, 2 * stride).Clear(); // without a gradient of the kernel the sums meet zeros, which costs little
        new Span<float>(sumRe, 2 * all).Clear();
        for (long row = 0; row < grid.Rows; row++)
        {
            if (isInBlocks)
                new Span<float>(over, all).Clear();
            // The last block first: it gives the one before what its gradients have to say there.
            for (var block = blocks - 1; block >= 0; block--)
            {
                var start = block * n;
                var (offset, count) = (grid.Offset(row, channel, start), (int)Math.Min(n, grid.Length - start));
                if (needsInput && block == blocks - 1)
                    SequenceTiles<V, T>.Load(work.Source + offset, At(work.InputGate, offset), count, grid.Step, now, n, stride);
                if (needsInput && block > 0)
                {
                    var earlier = grid.Offset(row, channel, start - n);
                    SequenceTiles<V, T>.Load(work.Source + earlier, At(work.InputGate, earlier), n, grid.Step, before, n, stride);
                }
                else if (isInBlocks)
                {
                    new Span<float>(before, all).Clear();
                }
                SequenceTiles<V, T>.Load(work.Upstream + offset, At(work.OutputGate, offset), count, grid.Step, upstream, n, stride);
                for (var lane = 0; lane < all; lane += stride)
                {
                    var terms = new CorrelationTerms(re, xRe, xIm, sumRe + lane, sumIm + lane);
                    var (signalRe, signalIm) = needsResult ? ((nint)re, (nint)im) : ((nint)xRe, (nint)xIm);
                    if (needsInput && isInBlocks)
                        Join(now + lane, before + lane, (float*)signalRe, (float*)signalIm, n);
                    var source = isInBlocks ? null : now + lane;
                    if (needsResult)
                        RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Convolve, source, now + lane, &terms);
                    else if (needsInput)
                        RightAngleTransform<V, T>.Run(plan, xRe, xIm, null, null, TransformMode.Forward, source);
                    if (work.NeedsProduct)
                    {
                        RightAngleTransform<V, T>.Run(plan, re, im, kernelRe + lane, kernelIm + lane, TransformMode.Correlate, upstream + lane, isInBlocks ? null : upstream + lane, &terms);
                        if (isInBlocks)
                            AddOver(re, im, over + lane, upstream + lane, n);
                    }
                    else if (work.NeedsKernel)
                    {
                        RightAngleTransform<V, T>.Run(plan, re, im, null, null, TransformMode.Forward, upstream + lane);
                        AddCorrelation(re, im, xRe, xIm, sumRe + lane, sumIm + lane, n);
                    }
                }
                if (needsResult)
                    SequenceTiles<V, T>.Store(now, stride, work.Upstream + offset, count, grid.Step, work.OutputGateGradient + offset);
                if (work.SourceGradient is not null)
                    SequenceTiles<V, T>.Store(upstream, stride, At(work.InputGate, offset), count, grid.Step, work.SourceGradient + offset);
                if (work.InputGateGradient is not null)
                    SequenceTiles<V, T>.Store(upstream, stride, work.Source + offset, count, grid.Step, work.InputGateGradient + offset);
                if (isInBlocks)
                    Swap(ref now, ref before);
            }
        }
        for (var lane = 0; work.NeedsKernel && lane < lanes; lane++)
            StoreKernelGradient(work, plan, channel + lane, sumRe + lane * stride, sumIm + lane * stride, now);
    }

    /// <summary>Channels that one call takes.</summary>
    internal static int LaneCount(SequenceGrid grid) => grid.IsChannelsLast ? T.Count : 1;

    private static RightAnglePlan PlanOf(ConvolutionWork work, out int blocks)
    {
        var whole = RightAnglePlans.For(T.Count, work.Grid.Length);
        var block = RightAnglePlans.For(T.Count, work.Taps, isPowerOfTwo: true);
        var plan = block.Length * ShortestGain <= whole.Length ? block : whole;
        blocks = (int)((work.Grid.Length + plan.Length - 1) / plan.Length);
        return plan;
    }

    // The kernels' spectra, D in the first tap and 1 / n of the way back included.
    private static void TransformKernels(ConvolutionWork work, RightAnglePlan plan, long channel, int lanes, float* re, float* im, int stride, float* padded)
    {
        var (taps, scale) = ((int)work.Taps, 1f / plan.Length);
        for (var lane = 0; lane < lanes; lane++)
        {
            var from = work.Kernel + (channel + lane) * taps;
            for (var tap = 0; tap < taps; tap++)
                padded[tap] = from[tap] * scale;
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
        if (work.KernelGradient is null)
            return;
        var taps = work.KernelGradient + channel * work.Taps;
        for (var tap = 0; tap < work.Taps; tap++)
            taps[tap] = padded[tap] / plan.Length;
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
    private static void AddOver(float* re, float* im, float* over, float* to, int count)
    {
        for (var at = 0; at < count; at += T.Count)
        {
            T.Store(T.Subtract(T.Load(re + at), T.Load(over + at)), to + at);
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
