using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LmKit;

public static unsafe partial class FlashConv
{
    // The plan of a longer one would take more than 128 MB.
    private const long LongestServed = 1L << 24;

    // Blocks of a long sequence under a short kernel: the transform of one stays in the first two caches.
    private const int ShortBlock = 1024;
    private const int BlocksPerTap = 4;

    // Re and im of a power of two apart would fall on the same places of the first cache.
    private const int CacheOffset = 32;

    private static Tensor ConvolveOnCpu(Tensor u, Tensor kernel)
    {
        using var scope = NewDisposeScope();
        var (inputs, taps, output) = (u.contiguous(), kernel.contiguous(), empty(u.shape, u.dtype));
        using var from = new TensorMemory<float>(inputs, nameof(u));
        using var by = new TensorMemory<float>(taps, nameof(kernel));
        using var to = new TensorMemory<float>(output, nameof(output));
        var work = new ChannelWork(new Sizes(u, kernel), from.Start, by.Start) { Target = to.Start };
        WorkerPool.Shared.Run((int)work.Sizes.Channels, channel => Dispatch(work with { Channel = channel }));
        return output.MoveToOuterDisposeScope();
    }

    private static IReadOnlyList<Tensor?> BackwardOnCpu(Tensor gradient, Tensor u, Tensor kernel)
    {
        using var scope = NewDisposeScope();
        var (upstream, inputs, taps) = (gradient.contiguous(), u.contiguous(), kernel.contiguous());
        var inputGradient = u.requires_grad ? empty(u.shape, u.dtype) : null;
        var kernelGradient = kernel.requires_grad ? empty(kernel.shape, kernel.dtype) : null;
        using var g = new TensorMemory<float>(upstream, nameof(gradient));
        using var from = new TensorMemory<float>(inputs, nameof(u));
        using var by = new TensorMemory<float>(taps, nameof(kernel));
        using var du = new TensorMemory<float>(inputGradient ?? inputs, nameof(inputGradient));
        using var dk = new TensorMemory<float>(kernelGradient ?? taps, nameof(kernelGradient));
        var work = new ChannelWork(new Sizes(u, kernel), from.Start, by.Start)
        {
            Upstream = g.Start,
            InputGradient = inputGradient is null ? null : du.Start,
            KernelGradient = kernelGradient is null ? null : dk.Start,
        };
        WorkerPool.Shared.Run((int)work.Sizes.Channels, channel => Dispatch(work with { Channel = channel }));
        return [inputGradient?.MoveToOuterDisposeScope(), kernelGradient?.MoveToOuterDisposeScope()];
    }

    private static void Dispatch(ChannelWork work)
    {
        if (SimdWidth.Bits == 512)
            Channel<Vector512<float>, Avx512Lanes>(work);
        else if (SimdWidth.Bits == 256)
            Channel<Vector256<float>, Avx2Lanes>(work);
        else
            Channel<Vector128<float>, PortableLanes>(work);
    }

    private static void Channel<V, T>(ChannelWork work)
        where V : struct
        where T : struct, ILanes<V>
    {
        if (work.Upstream is not null)
            BackwardChannel<V, T>(work);
        else if (work.Sizes.Taps * BlocksPerTap <= ShortBlock && work.Sizes.Length > ShortBlock)
            ForwardInBlocks<V, T>(work);
        else
            ForwardChannel<V, T>(work);
    }

    // All sequences of a channel, each in one transform.
    private static void ForwardChannel<V, T>(ChannelWork work)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (sizes, plan) = (work.Sizes, RightAnglePlans.For(T.Count, work.Sizes.Length));
        var n = plan.Length;
        using var memory = ScratchMemory.Rent(5L * n + 4 * CacheOffset);
        float* re = memory.Start, im = re + n + CacheOffset, kernelRe = im + n + CacheOffset, kernelIm = kernelRe + n + CacheOffset;
        var padded = kernelIm + n + CacheOffset;
        TransformKernel<V, T>(work, plan, kernelRe, kernelIm, padded);
        for (long sequence = 0; sequence < sizes.Sequences; sequence++)
        {
            var offset = sizes.Offset(sequence, work.Channel);
            var target = sizes.Length == n ? work.Target + offset : padded;
            RightAngleTransform<V, T>.Run(plan, re, im, kernelRe, kernelIm, TransformMode.Convolve, Pad(work.Source + offset, sizes.Length, padded, n), target);
            if (target == padded)
                Copy(padded, work.Target + offset, sizes.Length);
        }
    }

    // Blocks of a sequence one after another: what runs over a block's end, the imaginary part, is added to the next.
    private static void ForwardInBlocks<V, T>(ChannelWork work)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (sizes, plan) = (work.Sizes, RightAnglePlans.For(T.Count, ShortBlock));
        var n = plan.Length;
        using var memory = ScratchMemory.Rent(5L * n + 4 * CacheOffset);
        float* re = memory.Start, im = re + n + CacheOffset, kernelRe = im + n + CacheOffset, kernelIm = kernelRe + n + CacheOffset;
        var over = kernelIm + n + CacheOffset;
        TransformKernel<V, T>(work, plan, kernelRe, kernelIm, over);
        for (long sequence = 0; sequence < sizes.Sequences; sequence++)
        {
            var offset = sizes.Offset(sequence, work.Channel);
            new Span<float>(over, n).Clear();
            for (long start = 0; start < sizes.Length; start += n)
            {
                var count = Math.Min(n, sizes.Length - start);
                Copy(work.Source + offset + start, re, count);
                new Span<float>(re + count, (int)(n - count)).Clear();
                RightAngleTransform<V, T>.Run(plan, re, im, kernelRe, kernelIm, TransformMode.Convolve, source: re);
                var target = work.Target + offset + start;
                Copy(re, target, count);
                for (var at = 0; at < Math.Min(count, sizes.Taps); at++)
                    target[at] += over[at];
                Copy(im, over, sizes.Taps);
            }
        }
    }

    // dU = conj(K) G per sequence; dK = sum of conj(U) G. Modulo x^L - i what wraps around becomes imaginary, so real parts are exact.
    private static void BackwardChannel<V, T>(ChannelWork work)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (sizes, plan) = (work.Sizes, RightAnglePlans.For(T.Count, work.Sizes.Length));
        var n = plan.Length;
        using var memory = ScratchMemory.Rent(9L * n + 8 * CacheOffset);
        float* re = memory.Start, im = re + n + CacheOffset, kernelRe = im + n + CacheOffset, kernelIm = kernelRe + n + CacheOffset;
        float* uRe = kernelIm + n + CacheOffset, uIm = uRe + n + CacheOffset, sumRe = uIm + n + CacheOffset, sumIm = sumRe + n + CacheOffset;
        var padded = sumIm + n + CacheOffset;
        if (work.InputGradient is not null)
            TransformKernel<V, T>(work, plan, kernelRe, kernelIm, padded);
        // Without a gradient of the kernel they meet zeros, which costs little.
        foreach (var spectrum in (Span<nint>)[(nint)uRe, (nint)uIm, (nint)sumRe, (nint)sumIm])
            new Span<float>((void*)spectrum, n).Clear();
        var terms = new CorrelationTerms(re, uRe, uIm, sumRe, sumIm);
        for (long sequence = 0; sequence < sizes.Sequences; sequence++)
        {
            var offset = sizes.Offset(sequence, work.Channel);
            var target = sizes.Length == n ? work.InputGradient + offset : padded;
            if (work.KernelGradient is not null)
                RightAngleTransform<V, T>.Run(plan, uRe, uIm, null, null, TransformMode.Forward, Pad(work.Source + offset, sizes.Length, padded, n));
            var upstream = Pad(work.Upstream + offset, sizes.Length, padded, n);
            if (work.InputGradient is null)
            {
                RightAngleTransform<V, T>.Run(plan, re, im, null, null, TransformMode.Forward, upstream);
                AddCorrelation<V, T>(re, im, uRe, uIm, sumRe, sumIm, n);
                continue;
            }
            RightAngleTransform<V, T>.Run(plan, re, im, kernelRe, kernelIm, TransformMode.Correlate, upstream, target, &terms);
            if (target == padded)
                Copy(padded, work.InputGradient + offset, sizes.Length);
        }
        if (work.KernelGradient is null)
            return;
        RightAngleTransform<V, T>.Run(plan, sumRe, sumIm, null, null, TransformMode.Inverse, target: padded);
        var taps = work.KernelGradient + work.Channel * sizes.Taps;
        for (var tap = 0; tap < sizes.Taps; tap++)
            taps[tap] = padded[tap] / n;
    }

    // The kernel's spectrum, 1 / L of the way back included.
    private static void TransformKernel<V, T>(ChannelWork work, RightAnglePlan plan, float* re, float* im, float* padded)
        where V : struct
        where T : struct, ILanes<V>
    {
        var (taps, scale) = ((int)work.Sizes.Taps, 1f / plan.Length);
        var from = work.Weights + work.Channel * work.Sizes.Taps;
        for (var tap = 0; tap < taps; tap++)
            padded[tap] = from[tap] * scale;
        new Span<float>(padded + taps, plan.Length - taps).Clear();
        RightAngleTransform<V, T>.Run(plan, re, im, null, null, TransformMode.Forward, padded);
    }

    // sum += g conj(a).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddCorrelation<V, T>(float* gRe, float* gIm, float* aRe, float* aIm, float* sumRe, float* sumIm, int count)
        where V : struct
        where T : struct, ILanes<V>
    {
        for (var at = 0; at < count; at += T.Count)
        {
            var (x, y, p, q) = (T.Load(gRe + at), T.Load(gIm + at), T.Load(aRe + at), T.Load(aIm + at));
            T.Store(T.MultiplyAdd(y, q, T.MultiplyAdd(x, p, T.Load(sumRe + at))), sumRe + at);
            T.Store(T.SubtractMultiplied(x, q, T.MultiplyAdd(y, p, T.Load(sumIm + at))), sumIm + at);
        }
    }

    // A sequence as it lies, where it fills the transform; a copy with zeros behind it otherwise.
    private static float* Pad(float* from, long count, float* padded, int n)
    {
        if (count == n)
            return from;
        Copy(from, padded, count);
        new Span<float>(padded + count, (int)(n - count)).Clear();
        return padded;
    }

    private static void Copy(float* from, float* to, long count) => new ReadOnlySpan<float>(from, (int)count).CopyTo(new Span<float>(to, (int)count));

    private readonly struct Sizes
    {
        private readonly long pairs;

        internal Sizes(Tensor u, Tensor kernel)
        {
            pairs = u.size(2);
            (Channels, Length, Taps) = (u.size(1), u.size(3), kernel.size(1));
            Sequences = u.size(0) * pairs;
        }

        internal long Channels { get; }

        internal long Sequences { get; }

        internal long Length { get; }

        internal long Taps { get; }

        // Where a channel's sequence starts in (B, H, P, L).
        internal long Offset(long sequence, long channel)
        {
            var (row, pair) = Math.DivRem(sequence, pairs);
            return ((row * Channels + channel) * pairs + pair) * Length;
        }
    }

    private readonly struct ChannelWork(Sizes sizes, float* source, float* weights)
    {
        internal Sizes Sizes { get; } = sizes;

        internal float* Source { get; } = source;

        internal float* Weights { get; } = weights;

        internal int Channel { get; init; }

        internal float* Target { get; init; }

        internal float* Upstream { get; init; }

        internal float* InputGradient { get; init; }

        internal float* KernelGradient { get; init; }
    }
}
