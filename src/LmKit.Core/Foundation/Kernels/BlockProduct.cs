using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>C = A B or C += A B for small matrices: numbers of A are broadcast, rows of B and C are vectors of lanes.</summary>
/// <remarks>A may have any strides, so that a transposed factor needs no copy; rows of B and C are contiguous, and their length is a whole number
/// of vectors. Sums run over the whole inner size in one order, whatever stands beside.</remarks>
internal static unsafe class BlockProduct<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>Vectors of a row that one pass serves best.</summary>
    internal const int WidestPass = 3;

    /// <summary>Multiplies.</summary>
    /// <param name="a">A (rows, inner).</param>
    /// <param name="rowStride">From one row of A to the next.</param>
    /// <param name="innerStride">From one number of a row of A to the next.</param>
    /// <param name="b">B (inner, vectors of lanes).</param>
    /// <param name="bStride">From one row of B to the next.</param>
    /// <param name="c">C (rows, vectors of lanes).</param>
    /// <param name="cStride">From one row of C to the next, where <paramref name="places"/> is null.</param>
    /// <param name="places">Where row i of C stands, in numbers from <paramref name="c"/>; null for equal strides.</param>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="inner">Columns of A and rows of B.</param>
    /// <param name="vectors">Vectors of a row of B and C.</param>
    /// <param name="adds">Whether C is added to.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run(
        float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int rows, int inner, int vectors, bool adds)
    {
        for (var vector = 0; vector < vectors;)
        {
            var left = vectors - vector;
            // Six rows by one vector keep the units busy; three vectors would leave two rows to stand alone.
            var pass = left is 4 or 8 ? 4 : left >= WidestPass && !(T.Count == 16 && rows is 6 or 7) ? WidestPass : 1;
            var row = 0;
            if (pass == 4)
            {
                for (; T.Count == 16 && row + 6 <= rows; row += 6)
                    SixByFour(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
                for (; row + 2 <= rows; row += 2)
                    TwoByFour(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
            }
            else if (T.Count == 16)
            {
                for (; row + 8 <= rows; row += 8)
                {
                    if (pass == WidestPass)
                        EightByThree(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
                    else
                        EightByOne(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
                }
                for (; pass == 1 && row + 6 <= rows; row += 6)
                    SixByOne(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
            }
            for (; pass != 4 && row + 4 <= rows; row += 4)
            {
                if (pass == WidestPass)
                    FourByThree(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
                else
                    FourByOne(a + (row * rowStride), rowStride, innerStride, b, bStride, c, cStride, places, row, inner, adds);
            }
            for (; row < rows; row++)
            {
                for (var one = 0; one < pass; one++)
                    OneByOne(a + (row * rowStride), innerStride, b + (one * T.Count), bStride, Row(c, cStride, places, row) + (one * T.Count), inner, adds);
            }
            vector += pass;
            b += pass * T.Count;
            c += pass * T.Count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Row(float* c, long cStride, long* places, int row) => c + (places is null ? row * cStride : places[row]);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightByThree(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V a0 = z, a1 = z, a2 = z, b0 = z, b1 = z, b2 = z, c0 = z, c1 = z, c2 = z, d0 = z, d1 = z, d2 = z;
        V e0 = z, e1 = z, e2 = z, f0 = z, f1 = z, f2 = z, g0 = z, g1 = z, g2 = z, h0 = z, h1 = z, h2 = z;
        var lower = a + (4 * rowStride);
        var twice = 2 * rowStride;
        var thrice = 3 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, lower += innerStride, b += bStride)
        {
            V x = T.Load(b), y = T.Load(b + T.Count), w = T.Load(b + (2 * T.Count));
            var by = T.Broadcast(*a);
            a0 = T.MultiplyAdd(by, x, a0);
            a1 = T.MultiplyAdd(by, y, a1);
            a2 = T.MultiplyAdd(by, w, a2);
            by = T.Broadcast(a[rowStride]);
            b0 = T.MultiplyAdd(by, x, b0);
            b1 = T.MultiplyAdd(by, y, b1);
            b2 = T.MultiplyAdd(by, w, b2);
            by = T.Broadcast(a[twice]);
            c0 = T.MultiplyAdd(by, x, c0);
            c1 = T.MultiplyAdd(by, y, c1);
            c2 = T.MultiplyAdd(by, w, c2);
            by = T.Broadcast(a[thrice]);
            d0 = T.MultiplyAdd(by, x, d0);
            d1 = T.MultiplyAdd(by, y, d1);
            d2 = T.MultiplyAdd(by, w, d2);
            by = T.Broadcast(*lower);
            e0 = T.MultiplyAdd(by, x, e0);
            e1 = T.MultiplyAdd(by, y, e1);
            e2 = T.MultiplyAdd(by, w, e2);
            by = T.Broadcast(lower[rowStride]);
            f0 = T.MultiplyAdd(by, x, f0);
            f1 = T.MultiplyAdd(by, y, f1);
            f2 = T.MultiplyAdd(by, w, f2);
            by = T.Broadcast(lower[twice]);
            g0 = T.MultiplyAdd(by, x, g0);
            g1 = T.MultiplyAdd(by, y, g1);
            g2 = T.MultiplyAdd(by, w, g2);
            by = T.Broadcast(lower[thrice]);
            h0 = T.MultiplyAdd(by, x, h0);
            h1 = T.MultiplyAdd(by, y, h1);
            h2 = T.MultiplyAdd(by, w, h2);
        }
        Store(Row(c, cStride, places, row), a0, a1, a2, adds);
        Store(Row(c, cStride, places, row + 1), b0, b1, b2, adds);
        Store(Row(c, cStride, places, row + 2), c0, c1, c2, adds);
        Store(Row(c, cStride, places, row + 3), d0, d1, d2, adds);
        Store(Row(c, cStride, places, row + 4), e0, e1, e2, adds);
        Store(Row(c, cStride, places, row + 5), f0, f1, f2, adds);
        Store(Row(c, cStride, places, row + 6), g0, g1, g2, adds);
        Store(Row(c, cStride, places, row + 7), h0, h1, h2, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixByFour(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z, c0 = z, c1 = z, c2 = z, c3 = z;
        V d0 = z, d1 = z, d2 = z, d3 = z, e0 = z, e1 = z, e2 = z, e3 = z, f0 = z, f1 = z, f2 = z, f3 = z;
        var lower = a + (3 * rowStride);
        var twice = 2 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, lower += innerStride, b += bStride)
        {
            V x = T.Load(b), y = T.Load(b + T.Count), v = T.Load(b + (2 * T.Count)), w = T.Load(b + (3 * T.Count));
            var by = T.Broadcast(*a);
            a0 = T.MultiplyAdd(by, x, a0);
            a1 = T.MultiplyAdd(by, y, a1);
            a2 = T.MultiplyAdd(by, v, a2);
            a3 = T.MultiplyAdd(by, w, a3);
            by = T.Broadcast(a[rowStride]);
            b0 = T.MultiplyAdd(by, x, b0);
            b1 = T.MultiplyAdd(by, y, b1);
            b2 = T.MultiplyAdd(by, v, b2);
            b3 = T.MultiplyAdd(by, w, b3);
            by = T.Broadcast(a[twice]);
            c0 = T.MultiplyAdd(by, x, c0);
            c1 = T.MultiplyAdd(by, y, c1);
            c2 = T.MultiplyAdd(by, v, c2);
            c3 = T.MultiplyAdd(by, w, c3);
            by = T.Broadcast(*lower);
            d0 = T.MultiplyAdd(by, x, d0);
            d1 = T.MultiplyAdd(by, y, d1);
            d2 = T.MultiplyAdd(by, v, d2);
            d3 = T.MultiplyAdd(by, w, d3);
            by = T.Broadcast(lower[rowStride]);
            e0 = T.MultiplyAdd(by, x, e0);
            e1 = T.MultiplyAdd(by, y, e1);
            e2 = T.MultiplyAdd(by, v, e2);
            e3 = T.MultiplyAdd(by, w, e3);
            by = T.Broadcast(lower[twice]);
            f0 = T.MultiplyAdd(by, x, f0);
            f1 = T.MultiplyAdd(by, y, f1);
            f2 = T.MultiplyAdd(by, v, f2);
            f3 = T.MultiplyAdd(by, w, f3);
        }
        Store(Row(c, cStride, places, row), a0, a1, a2, a3, adds);
        Store(Row(c, cStride, places, row + 1), b0, b1, b2, b3, adds);
        Store(Row(c, cStride, places, row + 2), c0, c1, c2, c3, adds);
        Store(Row(c, cStride, places, row + 3), d0, d1, d2, d3, adds);
        Store(Row(c, cStride, places, row + 4), e0, e1, e2, e3, adds);
        Store(Row(c, cStride, places, row + 5), f0, f1, f2, f3, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TwoByFour(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V a0 = z, a1 = z, a2 = z, a3 = z, b0 = z, b1 = z, b2 = z, b3 = z;
        for (var k = 0; k < inner; k++, a += innerStride, b += bStride)
        {
            V x = T.Load(b), y = T.Load(b + T.Count), v = T.Load(b + (2 * T.Count)), w = T.Load(b + (3 * T.Count));
            var by = T.Broadcast(*a);
            a0 = T.MultiplyAdd(by, x, a0);
            a1 = T.MultiplyAdd(by, y, a1);
            a2 = T.MultiplyAdd(by, v, a2);
            a3 = T.MultiplyAdd(by, w, a3);
            by = T.Broadcast(a[rowStride]);
            b0 = T.MultiplyAdd(by, x, b0);
            b1 = T.MultiplyAdd(by, y, b1);
            b2 = T.MultiplyAdd(by, v, b2);
            b3 = T.MultiplyAdd(by, w, b3);
        }
        Store(Row(c, cStride, places, row), a0, a1, a2, a3, adds);
        Store(Row(c, cStride, places, row + 1), b0, b1, b2, b3, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SixByOne(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V r0 = z, r1 = z, r2 = z, r3 = z, r4 = z, r5 = z;
        var lower = a + (3 * rowStride);
        var twice = 2 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, lower += innerStride, b += bStride)
        {
            V x = T.Load(b);
            r0 = T.MultiplyAdd(T.Broadcast(*a), x, r0);
            r1 = T.MultiplyAdd(T.Broadcast(a[rowStride]), x, r1);
            r2 = T.MultiplyAdd(T.Broadcast(a[twice]), x, r2);
            r3 = T.MultiplyAdd(T.Broadcast(*lower), x, r3);
            r4 = T.MultiplyAdd(T.Broadcast(lower[rowStride]), x, r4);
            r5 = T.MultiplyAdd(T.Broadcast(lower[twice]), x, r5);
        }
        Store(Row(c, cStride, places, row), r0, adds);
        Store(Row(c, cStride, places, row + 1), r1, adds);
        Store(Row(c, cStride, places, row + 2), r2, adds);
        Store(Row(c, cStride, places, row + 3), r3, adds);
        Store(Row(c, cStride, places, row + 4), r4, adds);
        Store(Row(c, cStride, places, row + 5), r5, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightByOne(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V r0 = z, r1 = z, r2 = z, r3 = z, r4 = z, r5 = z, r6 = z, r7 = z;
        var lower = a + (4 * rowStride);
        var twice = 2 * rowStride;
        var thrice = 3 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, lower += innerStride, b += bStride)
        {
            V x = T.Load(b);
            r0 = T.MultiplyAdd(T.Broadcast(*a), x, r0);
            r1 = T.MultiplyAdd(T.Broadcast(a[rowStride]), x, r1);
            r2 = T.MultiplyAdd(T.Broadcast(a[twice]), x, r2);
            r3 = T.MultiplyAdd(T.Broadcast(a[thrice]), x, r3);
            r4 = T.MultiplyAdd(T.Broadcast(*lower), x, r4);
            r5 = T.MultiplyAdd(T.Broadcast(lower[rowStride]), x, r5);
            r6 = T.MultiplyAdd(T.Broadcast(lower[twice]), x, r6);
            r7 = T.MultiplyAdd(T.Broadcast(lower[thrice]), x, r7);
        }
        Store(Row(c, cStride, places, row), r0, adds);
        Store(Row(c, cStride, places, row + 1), r1, adds);
        Store(Row(c, cStride, places, row + 2), r2, adds);
        Store(Row(c, cStride, places, row + 3), r3, adds);
        Store(Row(c, cStride, places, row + 4), r4, adds);
        Store(Row(c, cStride, places, row + 5), r5, adds);
        Store(Row(c, cStride, places, row + 6), r6, adds);
        Store(Row(c, cStride, places, row + 7), r7, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByThree(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V a0 = z, a1 = z, a2 = z, b0 = z, b1 = z, b2 = z, c0 = z, c1 = z, c2 = z, d0 = z, d1 = z, d2 = z;
        var twice = 2 * rowStride;
        var thrice = 3 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, b += bStride)
        {
            V x = T.Load(b), y = T.Load(b + T.Count), w = T.Load(b + (2 * T.Count));
            var by = T.Broadcast(*a);
            a0 = T.MultiplyAdd(by, x, a0);
            a1 = T.MultiplyAdd(by, y, a1);
            a2 = T.MultiplyAdd(by, w, a2);
            by = T.Broadcast(a[rowStride]);
            b0 = T.MultiplyAdd(by, x, b0);
            b1 = T.MultiplyAdd(by, y, b1);
            b2 = T.MultiplyAdd(by, w, b2);
            by = T.Broadcast(a[twice]);
            c0 = T.MultiplyAdd(by, x, c0);
            c1 = T.MultiplyAdd(by, y, c1);
            c2 = T.MultiplyAdd(by, w, c2);
            by = T.Broadcast(a[thrice]);
            d0 = T.MultiplyAdd(by, x, d0);
            d1 = T.MultiplyAdd(by, y, d1);
            d2 = T.MultiplyAdd(by, w, d2);
        }
        Store(Row(c, cStride, places, row), a0, a1, a2, adds);
        Store(Row(c, cStride, places, row + 1), b0, b1, b2, adds);
        Store(Row(c, cStride, places, row + 2), c0, c1, c2, adds);
        Store(Row(c, cStride, places, row + 3), d0, d1, d2, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourByOne(float* a, long rowStride, long innerStride, float* b, long bStride, float* c, long cStride, long* places, int row, int inner, bool adds)
    {
        V z = T.Broadcast(0);
        V r0 = z, r1 = z, r2 = z, r3 = z;
        var twice = 2 * rowStride;
        var thrice = 3 * rowStride;
        for (var k = 0; k < inner; k++, a += innerStride, b += bStride)
        {
            V x = T.Load(b);
            r0 = T.MultiplyAdd(T.Broadcast(*a), x, r0);
            r1 = T.MultiplyAdd(T.Broadcast(a[rowStride]), x, r1);
            r2 = T.MultiplyAdd(T.Broadcast(a[twice]), x, r2);
            r3 = T.MultiplyAdd(T.Broadcast(a[thrice]), x, r3);
        }
        Store(Row(c, cStride, places, row), r0, adds);
        Store(Row(c, cStride, places, row + 1), r1, adds);
        Store(Row(c, cStride, places, row + 2), r2, adds);
        Store(Row(c, cStride, places, row + 3), r3, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneByOne(float* a, long innerStride, float* b, long bStride, float* c, int inner, bool adds)
    {
        var sum = T.Broadcast(0);
        for (var k = 0; k < inner; k++, a += innerStride, b += bStride)
            sum = T.MultiplyAdd(T.Broadcast(*a), T.Load(b), sum);
        Store(c, sum, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, V x, V y, V z, bool adds)
    {
        Store(to, x, adds);
        Store(to + T.Count, y, adds);
        Store(to + (2 * T.Count), z, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, V x, V y, V z, V w, bool adds)
    {
        Store(to, x, y, z, adds);
        Store(to + (3 * T.Count), w, adds);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* to, V x, bool adds) => T.Store(adds ? T.Add(T.Load(to), x) : x, to);
}
