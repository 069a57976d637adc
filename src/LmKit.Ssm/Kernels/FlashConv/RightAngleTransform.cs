using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>The transform of polynomials modulo x^L - i, for causal convolution without padding to twice the length.</summary>
/// <remarks>The product of two real polynomials modulo x^L - i is low + i high, so its real part is the causal result and its imaginary
/// part what runs over the end. Data stay in natural order and spectra in the order of the tree; nothing is ever permuted.</remarks>
/// <typeparam name="V">The vector.</typeparam>
/// <typeparam name="T">Its operations.</typeparam>
internal static unsafe class RightAngleTransform<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>Transforms in place, or from and to real sequences.</summary>
    /// <param name="plan">Made for this width of vector.</param>
    /// <param name="re">Real parts (L).</param>
    /// <param name="im">Imaginary parts (L).</param>
    /// <param name="kernelRe">For <see cref="TransformMode.Convolve"/>, the other spectrum's real parts.</param>
    /// <param name="kernelIm">Its imaginary parts.</param>
    /// <param name="mode">What is done.</param>
    /// <param name="source">A real sequence (L) to begin with in the place of re and im; null where L is a power of two and they are the sequence.</param>
    /// <param name="target">Takes the real part of the end (L) in the place of re and im; null where L is a power of two and they take all of it.</param>
    /// <param name="terms">For <see cref="TransformMode.Correlate"/>, the other spectra; with <see cref="TransformMode.Convolve"/>, its Re and Im take
    /// the sequence's own spectrum.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run(
        RightAnglePlan plan,
        float* re,
        float* im,
        float* kernelRe,
        float* kernelIm,
        TransformMode mode,
        float* source = null,
        float* target = null,
        CorrelationTerms* terms = null)
    {
        var constants = (float*)Unsafe.AsPointer(ref plan.Constants[0]); // pinned
        var n = plan.Length;
        if (n == plan.LeafLength)
        {
            if (source is not null)
            {
                new ReadOnlySpan<float>(source, n).CopyTo(new Span<float>(re, n));
                new Span<float>(im, n).Clear();
            }
            _ = Leaf(re, im, kernelRe, kernelIm, constants, mode, terms);
            if (target is not null)
                new ReadOnlySpan<float>(re, n).CopyTo(new Span<float>(target, n));
            return;
        }
        var ways = plan.Ways;
        var step = n / ways;
        if (mode != TransformMode.Inverse)
            SplitTop(re, im, step, ways, constants, source);
        var next = constants + 2 * (ways is 3 or 5 ? ways * ways : ways - 1);
        for (var offset = 0; offset < n; offset += step)
            next = Block(re + offset, im + offset, kernelRe + offset, kernelIm + offset, step, next, mode, terms);
        if (mode != TransformMode.Forward)
            JoinTop(re, im, step, ways, constants, target);
    }

    private static void SplitTop(float* re, float* im, int step, int ways, float* constants, float* source)
    {
        if (ways is 3 or 5)
            SplitRealDirect(source, re, im, step, ways, constants);
        else if (ways == 2 && source is null)
            SplitPairs(re, im, step, T.Broadcast(constants[0]), T.Broadcast(constants[1]));
        else if (ways == 2)
            SplitRealPairs(source, re, im, step, T.Broadcast(constants[0]), T.Broadcast(constants[1]));
        else if (source is null)
            SplitQuarters(re, im, step, constants);
        else
            SplitRealQuarters(source, re, im, step, constants);
    }

    private static void JoinTop(float* re, float* im, int step, int ways, float* constants, float* target)
    {
        if (ways is 3 or 5)
            JoinRealDirect(re, im, target, step, ways, constants);
        else if (ways == 2 && target is null)
            JoinPairs(re, im, step, T.Broadcast(constants[0]), T.Broadcast(constants[1]));
        else if (ways == 2)
            JoinRealPairs(re, im, target, step, T.Broadcast(constants[0]), T.Broadcast(constants[1]));
        else if (target is null)
            JoinQuarters(re, im, step, constants);
        else
            JoinRealQuarters(re, im, target, step, constants);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float* Block(float* re, float* im, float* kernelRe, float* kernelIm, int n, float* constants, TransformMode mode, CorrelationTerms* terms)
    {
        if (n == T.Count * T.Count)
            return Leaf(re, im, kernelRe, kernelIm, constants, mode, terms);
        var ways = RightAnglePlan.WaysOf(n, T.Count * T.Count);
        var step = n / ways;
        if (mode != TransformMode.Inverse)
            SplitTop(re, im, step, ways, constants, null);
        var next = constants + 2 * (ways - 1);
        for (var offset = 0; offset < n; offset += step)
            next = Block(re + offset, im + offset, kernelRe + offset, kernelIm + offset, step, next, mode, terms);
        if (mode != TransformMode.Forward)
            JoinTop(re, im, step, ways, constants, null);
        return next;
    }

    // V^2 samples: passes with constants per block until a block is a vector, a transposition, passes with constants per lane.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float* Leaf(float* re, float* im, float* kernelRe, float* kernelIm, float* constants, TransformMode mode, CorrelationTerms* terms)
    {
        var width = T.Count;
        var size = width * width;
        var next = constants;
        var forward = mode != TransformMode.Inverse;
        for (var n = size; n > width;)
        {
            var ways = n >= 4 * width ? 4 : 2;
            var step = n / ways;
            for (var block = 0; block < size; block += n, next += 2 * (ways - 1))
            {
                if (!forward)
                    continue;
                if (ways == 4)
                    SplitQuarters(re + block, im + block, step, next);
                else
                    SplitPairs(re + block, im + block, step, T.Broadcast(next[0]), T.Broadcast(next[1]));
            }
            n = step;
        }
        if (forward)
        {
            T.Transpose(re);
            T.Transpose(im);
        }
        for (var n = width; n > 1;)
        {
            var ways = n >= 4 ? 4 : 2;
            var step = n / ways * width;
            for (var block = 0; block < size; block += n * width, next += 2 * (ways - 1) * width)
            {
                if (!forward)
                    continue;
                if (ways == 4)
                    SplitQuartersPerLane(re + block, im + block, step, next);
                else
                    SplitPairs(re + block, im + block, step, T.Load(next), T.Load(next + width));
            }
            n /= ways;
        }
        var end = next;
        if (mode == TransformMode.Convolve && terms is not null)
            KeepSpectrum(re, im, size, terms);
        if (mode == TransformMode.Convolve)
            MultiplySpectra(re, im, kernelRe, kernelIm, size);
        if (mode == TransformMode.Correlate)
            CorrelateSpectra(re, im, kernelRe, kernelIm, size, terms);
        if (mode == TransformMode.Forward)
            return end;
        for (var n = 1; n < width;)
        {
            var ways = IsPairPass(n, width) ? 2 : 4;
            var step = n * width;
            n *= ways;
            var blockConstants = next -= width / n * 2 * (ways - 1) * width;
            for (var block = 0; block < size; block += n * width, blockConstants += 2 * (ways - 1) * width)
            {
                if (ways == 4)
                    JoinQuartersPerLane(re + block, im + block, step, blockConstants);
                else
                    JoinPairs(re + block, im + block, step, T.Load(blockConstants), T.Load(blockConstants + width));
            }
        }
        T.Transpose(re);
        T.Transpose(im);
        for (var n = width; n < size;)
        {
            var ways = IsPairPass(n / width, width) ? 2 : 4;
            var step = n;
            n *= ways;
            var blockConstants = next -= size / n * 2 * (ways - 1);
            for (var block = 0; block < size; block += n, blockConstants += 2 * (ways - 1))
            {
                if (ways == 4)
                    JoinQuarters(re + block, im + block, step, blockConstants);
                else
                    JoinPairs(re + block, im + block, step, T.Broadcast(blockConstants[0]), T.Broadcast(blockConstants[1]));
            }
        }
        return end;
    }

    // Passes split by four while they can; what is left for the last one, the first on the way back, is two where log2 V is odd.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsPairPass(int n, int width) => n == 1 && (int.Log2(width) & 1) == 1;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplySpectra(float* re, float* im, float* kernelRe, float* kernelIm, int count)
    {
        for (var at = 0; at < count; at += T.Count)
        {
            var (x, y, p, q) = (T.Load(re + at), T.Load(im + at), T.Load(kernelRe + at), T.Load(kernelIm + at));
            T.Store(T.SubtractMultiplied(y, q, T.Multiply(x, p)), re + at);
            T.Store(T.MultiplyAdd(y, p, T.Multiply(x, q)), im + at);
        }
    }

    private static void KeepSpectrum(float* re, float* im, int count, CorrelationTerms* terms)
    {
        var offset = re - terms->First;
        new ReadOnlySpan<float>(re, count).CopyTo(new Span<float>(terms->Re + offset, count));
        new ReadOnlySpan<float>(im, count).CopyTo(new Span<float>(terms->Im + offset, count));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CorrelateSpectra(float* re, float* im, float* kernelRe, float* kernelIm, int count, CorrelationTerms* terms)
    {
        var offset = re - terms->First;
        float* uRe = terms->Re + offset, uIm = terms->Im + offset, sumRe = terms->SumRe + offset, sumIm = terms->SumIm + offset;
        for (var at = 0; at < count; at += T.Count)
        {
            var (x, y, p, q) = (T.Load(re + at), T.Load(im + at), T.Load(uRe + at), T.Load(uIm + at));
            T.Store(T.MultiplyAdd(y, q, T.MultiplyAdd(x, p, T.Load(sumRe + at))), sumRe + at);
            T.Store(T.SubtractMultiplied(x, q, T.MultiplyAdd(y, p, T.Load(sumIm + at))), sumIm + at);
            (p, q) = (T.Load(kernelRe + at), T.Load(kernelIm + at));
            T.Store(T.MultiplyAdd(y, q, T.Multiply(x, p)), re + at);
            T.Store(T.SubtractMultiplied(x, q, T.Multiply(y, p)), im + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitPairs(float* re, float* im, int half, V rRe, V rIm)
    {
        for (var at = 0; at < half; at += T.Count)
        {
            var (x, y) = (T.Load(re + half + at), T.Load(im + half + at));
            var bRe = T.SubtractMultiplied(y, rIm, T.Multiply(x, rRe));
            var bIm = T.MultiplyAdd(y, rRe, T.Multiply(x, rIm));
            var (aRe, aIm) = (T.Load(re + at), T.Load(im + at));
            T.Store(T.Add(aRe, bRe), re + at);
            T.Store(T.Add(aIm, bIm), im + at);
            T.Store(T.Subtract(aRe, bRe), re + half + at);
            T.Store(T.Subtract(aIm, bIm), im + half + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinPairs(float* re, float* im, int half, V rRe, V rIm)
    {
        for (var at = 0; at < half; at += T.Count)
        {
            var (aRe, aIm, bRe, bIm) = (T.Load(re + at), T.Load(im + at), T.Load(re + half + at), T.Load(im + half + at));
            T.Store(T.Add(aRe, bRe), re + at);
            T.Store(T.Add(aIm, bIm), im + at);
            var (x, y) = (T.Subtract(aRe, bRe), T.Subtract(aIm, bIm));
            T.Store(T.MultiplyAdd(y, rIm, T.Multiply(x, rRe)), re + half + at); // times conj(r)
            T.Store(T.SubtractMultiplied(x, rIm, T.Multiply(y, rRe)), im + half + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitQuarters(float* re, float* im, int quarter, float* c) =>
        SplitQuarters(re, im, quarter, T.Broadcast(c[0]), T.Broadcast(c[1]), T.Broadcast(c[2]), T.Broadcast(c[3]), T.Broadcast(c[4]), T.Broadcast(c[5]));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitQuartersPerLane(float* re, float* im, int quarter, float* c) => SplitQuarters(
        re, im, quarter,
        T.Load(c), T.Load(c + T.Count), T.Load(c + 2 * T.Count), T.Load(c + 3 * T.Count), T.Load(c + 4 * T.Count), T.Load(c + 5 * T.Count));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinQuarters(float* re, float* im, int quarter, float* c) =>
        JoinQuarters(re, im, quarter, T.Broadcast(c[0]), T.Broadcast(c[1]), T.Broadcast(c[2]), T.Broadcast(c[3]), T.Broadcast(c[4]), T.Broadcast(c[5]));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinQuartersPerLane(float* re, float* im, int quarter, float* c) => JoinQuarters(
        re, im, quarter,
        T.Load(c), T.Load(c + T.Count), T.Load(c + 2 * T.Count), T.Load(c + 3 * T.Count), T.Load(c + 4 * T.Count), T.Load(c + 5 * T.Count));

    // b_m = a_m r^m, then out_j = sum over m of i^(jm) b_m.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SplitQuarters(float* re, float* im, int quarter, V r1, V s1, V r2, V s2, V r3, V s3)
    {
        float* re1 = re + quarter, re2 = re + 2 * quarter, re3 = re + 3 * quarter;
        float* im1 = im + quarter, im2 = im + 2 * quarter, im3 = im + 3 * quarter;
        for (var at = 0; at < quarter; at += T.Count)
        {
            var (x1, y1, x2, y2, x3, y3) = (T.Load(re1 + at), T.Load(im1 + at), T.Load(re2 + at), T.Load(im2 + at), T.Load(re3 + at), T.Load(im3 + at));
            var (b1, c1) = (T.SubtractMultiplied(y1, s1, T.Multiply(x1, r1)), T.MultiplyAdd(y1, r1, T.Multiply(x1, s1)));
            var (b2, c2) = (T.SubtractMultiplied(y2, s2, T.Multiply(x2, r2)), T.MultiplyAdd(y2, r2, T.Multiply(x2, s2)));
            var (b3, c3) = (T.SubtractMultiplied(y3, s3, T.Multiply(x3, r3)), T.MultiplyAdd(y3, r3, T.Multiply(x3, s3)));
            var (b0, c0) = (T.Load(re + at), T.Load(im + at));
            var (even, evenIm, odd, oddIm) = (T.Add(b0, b2), T.Add(c0, c2), T.Add(b1, b3), T.Add(c1, c3));
            T.Store(T.Add(even, odd), re + at);
            T.Store(T.Add(evenIm, oddIm), im + at);
            T.Store(T.Subtract(even, odd), re2 + at);
            T.Store(T.Subtract(evenIm, oddIm), im2 + at);
            (even, evenIm, odd, oddIm) = (T.Subtract(b0, b2), T.Subtract(c0, c2), T.Subtract(b1, b3), T.Subtract(c1, c3));
            T.Store(T.Subtract(even, oddIm), re1 + at);
            T.Store(T.Add(evenIm, odd), im1 + at);
            T.Store(T.Add(even, oddIm), re3 + at);
            T.Store(T.Subtract(evenIm, odd), im3 + at);
        }
    }

    // The same backwards: b_m = sum over j of i^(-jm) out_j, then a_m = b_m conj(r^m); four times too large.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void JoinQuarters(float* re, float* im, int quarter, V r1, V s1, V r2, V s2, V r3, V s3)
    {
        float* re1 = re + quarter, re2 = re + 2 * quarter, re3 = re + 3 * quarter;
        float* im1 = im + quarter, im2 = im + 2 * quarter, im3 = im + 3 * quarter;
        for (var at = 0; at < quarter; at += T.Count)
        {
            var (x0, y0, x1, y1) = (T.Load(re + at), T.Load(im + at), T.Load(re1 + at), T.Load(im1 + at));
            var (x2, y2, x3, y3) = (T.Load(re2 + at), T.Load(im2 + at), T.Load(re3 + at), T.Load(im3 + at));
            var (even, evenIm, odd, oddIm) = (T.Add(x0, x2), T.Add(y0, y2), T.Add(x1, x3), T.Add(y1, y3));
            T.Store(T.Add(even, odd), re + at);
            T.Store(T.Add(evenIm, oddIm), im + at);
            var (b2, c2) = (T.Subtract(even, odd), T.Subtract(evenIm, oddIm));
            (even, evenIm, odd, oddIm) = (T.Subtract(x0, x2), T.Subtract(y0, y2), T.Subtract(x1, x3), T.Subtract(y1, y3));
            var (b1, c1) = (T.Add(even, oddIm), T.Subtract(evenIm, odd));
            var (b3, c3) = (T.Subtract(even, oddIm), T.Add(evenIm, odd));
            T.Store(T.MultiplyAdd(c1, s1, T.Multiply(b1, r1)), re1 + at);
            T.Store(T.SubtractMultiplied(b1, s1, T.Multiply(c1, r1)), im1 + at);
            T.Store(T.MultiplyAdd(c2, s2, T.Multiply(b2, r2)), re2 + at);
            T.Store(T.SubtractMultiplied(b2, s2, T.Multiply(c2, r2)), im2 + at);
            T.Store(T.MultiplyAdd(c3, s3, T.Multiply(b3, r3)), re3 + at);
            T.Store(T.SubtractMultiplied(b3, s3, T.Multiply(c3, r3)), im3 + at);
        }
    }

    // The first split of real numbers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitRealPairs(float* source, float* re, float* im, int half, V rRe, V rIm)
    {
        var zero = T.Broadcast(0);
        for (var at = 0; at < half; at += T.Count)
        {
            var (a, x) = (T.Load(source + at), T.Load(source + half + at));
            var (bRe, bIm) = (T.Multiply(x, rRe), T.Multiply(x, rIm));
            T.Store(T.Add(a, bRe), re + at);
            T.Store(bIm, im + at);
            T.Store(T.Subtract(a, bRe), re + half + at);
            T.Store(T.Subtract(zero, bIm), im + half + at);
        }
    }

    // The last join, real parts only.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinRealPairs(float* re, float* im, float* target, int half, V rRe, V rIm)
    {
        for (var at = 0; at < half; at += T.Count)
        {
            var (aRe, aIm, bRe, bIm) = (T.Load(re + at), T.Load(im + at), T.Load(re + half + at), T.Load(im + half + at));
            T.Store(T.Add(aRe, bRe), target + at);
            T.Store(T.MultiplyAdd(T.Subtract(aIm, bIm), rIm, T.Multiply(T.Subtract(aRe, bRe), rRe)), target + half + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitRealQuarters(float* source, float* re, float* im, int quarter, float* c)
    {
        var (r1, s1, r2, s2, r3, s3) = (T.Broadcast(c[0]), T.Broadcast(c[1]), T.Broadcast(c[2]), T.Broadcast(c[3]), T.Broadcast(c[4]), T.Broadcast(c[5]));
        for (var at = 0; at < quarter; at += T.Count)
        {
            var (x1, x2, x3) = (T.Load(source + quarter + at), T.Load(source + 2 * quarter + at), T.Load(source + 3 * quarter + at));
            var (b0, b1, b2, b3) = (T.Load(source + at), T.Multiply(x1, r1), T.Multiply(x2, r2), T.Multiply(x3, r3));
            var (c1, c2, c3) = (T.Multiply(x1, s1), T.Multiply(x2, s2), T.Multiply(x3, s3));
            var (even, odd, oddIm) = (T.Add(b0, b2), T.Add(b1, b3), T.Add(c1, c3));
            T.Store(T.Add(even, odd), re + at);
            T.Store(T.Add(c2, oddIm), im + at);
            T.Store(T.Subtract(even, odd), re + 2 * quarter + at);
            T.Store(T.Subtract(c2, oddIm), im + 2 * quarter + at);
            (even, odd, oddIm) = (T.Subtract(b0, b2), T.Subtract(b1, b3), T.Subtract(c1, c3));
            T.Store(T.Subtract(even, oddIm), re + quarter + at);
            T.Store(T.Subtract(odd, c2), im + quarter + at);
            T.Store(T.Add(even, oddIm), re + 3 * quarter + at);
            T.Store(T.Subtract(T.Broadcast(0), T.Add(c2, odd)), im + 3 * quarter + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinRealQuarters(float* re, float* im, float* target, int quarter, float* c)
    {
        var (r1, s1, r2, s2, r3, s3) = (T.Broadcast(c[0]), T.Broadcast(c[1]), T.Broadcast(c[2]), T.Broadcast(c[3]), T.Broadcast(c[4]), T.Broadcast(c[5]));
        float* re1 = re + quarter, re2 = re + 2 * quarter, re3 = re + 3 * quarter;
        float* im1 = im + quarter, im2 = im + 2 * quarter, im3 = im + 3 * quarter;
        for (var at = 0; at < quarter; at += T.Count)
        {
            var (x0, y0, x1, y1) = (T.Load(re + at), T.Load(im + at), T.Load(re1 + at), T.Load(im1 + at));
            var (x2, y2, x3, y3) = (T.Load(re2 + at), T.Load(im2 + at), T.Load(re3 + at), T.Load(im3 + at));
            var (even, odd) = (T.Add(x0, x2), T.Add(x1, x3));
            T.Store(T.Add(even, odd), target + at);
            var (b2, c2) = (T.Subtract(even, odd), T.Subtract(T.Add(y0, y2), T.Add(y1, y3)));
            T.Store(T.MultiplyAdd(c2, s2, T.Multiply(b2, r2)), target + 2 * quarter + at);
            var (d, dIm, e, eIm) = (T.Subtract(x0, x2), T.Subtract(y0, y2), T.Subtract(x1, x3), T.Subtract(y1, y3));
            var (b1, c1) = (T.Add(d, eIm), T.Subtract(dIm, e));
            var (b3, c3) = (T.Subtract(d, eIm), T.Add(dIm, e));
            T.Store(T.MultiplyAdd(c1, s1, T.Multiply(b1, r1)), target + quarter + at);
            T.Store(T.MultiplyAdd(c3, s3, T.Multiply(b3, r3)), target + 3 * quarter + at);
        }
    }

    // A first split into an odd number of blocks: out_j = sum over m of r_j^m a_m, r_j the roots, every product written out.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitRealDirect(float* source, float* re, float* im, int part, int ways, float* c)
    {
        for (var j = 0; j < ways; j++, c += 2 * ways, re += part, im += part)
        {
            for (var at = 0; at < part; at += 2 * T.Count)
            {
                var (x, x2, y, y2) = (T.Load(source + at), T.Load(source + at + T.Count), T.Broadcast(0), T.Broadcast(0));
                for (var m = 1; m < ways; m++)
                {
                    var (a, a2) = (T.Load(source + m * part + at), T.Load(source + m * part + at + T.Count));
                    var (r, s) = (T.Broadcast(c[2 * m]), T.Broadcast(c[2 * m + 1]));
                    (x, x2, y, y2) = (T.MultiplyAdd(a, r, x), T.MultiplyAdd(a2, r, x2), T.MultiplyAdd(a, s, y), T.MultiplyAdd(a2, s, y2));
                }
                T.Store(x, re + at);
                T.Store(x2, re + at + T.Count);
                T.Store(y, im + at);
                T.Store(y2, im + at + T.Count);
            }
        }
    }

    // The same backwards, real parts only: a_m = Re sum over j of conj(r_j^m) out_j.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void JoinRealDirect(float* re, float* im, float* target, int part, int ways, float* c)
    {
        for (var m = 0; m < ways; m++, target += part)
        {
            for (var at = 0; at < part; at += 2 * T.Count)
            {
                var (x, x2, y, y2) = (T.Broadcast(0), T.Broadcast(0), T.Broadcast(0), T.Broadcast(0));
                for (var j = 0; j < ways; j++)
                {
                    float* a = re + j * part + at, b = im + j * part + at;
                    var (r, s) = (T.Broadcast(c[2 * (j * ways + m)]), T.Broadcast(c[2 * (j * ways + m) + 1]));
                    (x, x2) = (T.MultiplyAdd(T.Load(a), r, x), T.MultiplyAdd(T.Load(a + T.Count), r, x2));
                    (y, y2) = (T.MultiplyAdd(T.Load(b), s, y), T.MultiplyAdd(T.Load(b + T.Count), s, y2));
                }
                T.Store(T.Add(x, y), target + at);
                T.Store(T.Add(x2, y2), target + at + T.Count);
            }
        }
    }
}

/// <summary>What a right-angle transform does in one walk over its tree.</summary>
internal enum TransformMode
{
    /// <summary>To the spectrum.</summary>
    Forward,

    /// <summary>Back from it, times the length.</summary>
    Inverse,

    /// <summary>To the spectrum, times another spectrum, and back, leaf by leaf.</summary>
    Convolve,

    /// <summary>To the spectrum, where it is correlated with two others as <see cref="CorrelationTerms"/> says, and back, leaf by leaf.</summary>
    Correlate,
}

/// <summary>What a gradient's spectrum G meets on its way: sum += G conj(U), while G becomes G conj(K).</summary>
/// <param name="first">Where the transform's real parts begin.</param>
/// <param name="re">Real parts of U, the input's spectrum.</param>
/// <param name="im">Imaginary parts of U.</param>
/// <param name="sumRe">Real parts of the sum.</param>
/// <param name="sumIm">Imaginary parts of the sum.</param>
internal readonly unsafe struct CorrelationTerms(float* first, float* re, float* im, float* sumRe, float* sumIm)
{
    internal float* First { get; } = first;

    internal float* Re { get; } = re;

    internal float* Im { get; } = im;

    internal float* SumRe { get; } = sumRe;

    internal float* SumIm { get; } = sumIm;
}
