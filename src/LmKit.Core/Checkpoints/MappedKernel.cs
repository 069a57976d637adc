using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Copies a strided block of numbers between two places in memory, converting and transposing in one pass over both, on as many threads as
/// libtorch has.</summary>
internal static unsafe class MappedKernel
{
    private const int PieceBytes = 1 << 20;
    private const int Tile = 64;
    private const int Band = 4 * Tile; // few pages at a time on both sides

    /// <summary>Copies, where the two layouts are ones that it knows.</summary>
    /// <param name="from">First value of the source, which need not be aligned.</param>
    /// <param name="fromType">Its type.</param>
    /// <param name="fromStrides">Its strides, in values.</param>
    /// <param name="to">First value of the target.</param>
    /// <param name="toType">Its type.</param>
    /// <param name="toStrides">Its strides, in values.</param>
    /// <param name="shape">The shape of both.</param>
    /// <returns>Whether all numbers that were written are finite; null where nothing was done.</returns>
    internal static bool? Copy(nint from, ScalarType fromType, long[] fromStrides, nint to, ScalarType toType, long[] toStrides, long[] shape)
    {
        if (FloatConversion.Find(fromType, toType) is not { } move)
            return null;
        var axes = Merged(shape, fromStrides, toStrides);
        var (fromSize, toSize) = (SafetensorsTypes.Size(fromType), SafetensorsTypes.Size(toType));
        if (axes is [] or [.., { From: 1, To: 1 }])
            return Rows(axes, (byte*)from, fromSize, (byte*)to, toSize, toType, move);
        return axes is [{ From: 1 } outer, { To: 1 } inner] && toSize is 2 or 4 or 8
            ? Transposed(outer, inner, (byte*)from, fromSize, (byte*)to, toSize, toType, move)
            : null;
    }

    // Axes without length are dropped, and those that both sides run through in one go become one.
    private static List<Axis> Merged(long[] shape, long[] from, long[] to)
    {
        var axes = new List<Axis>();
        for (var axis = 0; axis < shape.Length; axis++)
        {
            if (shape[axis] == 1)
                continue;
            var next = new Axis(shape[axis], from[axis], to[axis]);
            if (axes is [.., var last] && last.From == next.From * next.Length && last.To == next.To * next.Length)
                axes[^1] = next with { Length = last.Length * next.Length };
            else
                axes.Add(next);
        }
        return axes;
    }

    private static bool Rows(List<Axis> axes, byte* from, int fromSize, byte* to, int toSize, ScalarType type, FloatConversion.Move move)
    {
        var length = axes is [.., var last] ? last.Length : 1;
        Axis[] outer = axes.Count > 1 ? [.. axes[..^1]] : [];
        var part = Math.Min(length, PieceBytes / toSize);
        var partsOfRow = (length + part - 1) / part;
        var parts = partsOfRow * outer.Aggregate(1L, (product, axis) => product * axis.Length);
        var partsOfPiece = Math.Max(1, PieceBytes / toSize / part);
        var (first, second) = ((nint)from, (nint)to);
        return All((parts + partsOfPiece - 1) / partsOfPiece, piece =>
        {
            var isFinite = true;
            for (var at = piece * partsOfPiece; at < Math.Min(parts, (piece + 1) * partsOfPiece); at++)
            {
                var (row, start) = (at / partsOfRow, at % partsOfRow * part);
                var (source, target) = (start, start);
                for (var axis = outer.Length - 1; axis >= 0; axis--)
                {
                    (row, var index) = Math.DivRem(row, outer[axis].Length);
                    source += index * outer[axis].From;
                    target += index * outer[axis].To;
                }
                var count = Math.Min(part, length - start);
                var written = (byte*)second + (target * toSize);
                move((byte*)first + (source * fromSize), written, count);
                isFinite &= FiniteNumbers.All(new ReadOnlySpan<byte>(written, (int)count * toSize), type);
            }
            return isFinite;
        });
    }

    // The source's rows are the target's columns. A tile of rows is converted into a buffer that stays in the innermost cache, and looked at there.
    private static bool Transposed(Axis outer, Axis inner, byte* from, int fromSize, byte* to, int toSize, ScalarType type, FloatConversion.Move move)
    {
        var (first, second) = ((nint)from, (nint)to);
        return All((outer.Length + Band - 1) / Band, band =>
        {
            var buffer = stackalloc byte[Tile * Tile * toSize];
            var isFinite = true;
            for (var row = 0L; row < inner.Length; row += Tile)
            {
                var rows = (int)Math.Min(Tile, inner.Length - row);
                for (var column = band * Band; column < Math.Min(outer.Length, (band + 1) * Band); column += Tile)
                {
                    var columns = (int)Math.Min(Tile, outer.Length - column);
                    for (var line = 0; line < rows; line++)
                    {
                        var written = buffer + (line * Tile * toSize);
                        move((byte*)first + ((column + ((row + line) * inner.From)) * fromSize), written, columns);
                        isFinite &= FiniteNumbers.All(new ReadOnlySpan<byte>(written, columns * toSize), type);
                    }
                    var target = (byte*)second + (((column * outer.To) + row) * toSize);
                    if (toSize == 4)
                        TransposeFour((uint*)buffer, (uint*)target, outer.To, rows, columns);
                    else if (toSize == 8)
                        Rest((ulong*)buffer, (ulong*)target, outer.To, rows, columns, 0, 0);
                    else
                        TransposeTwo((ushort*)buffer, (ushort*)target, outer.To, rows, columns);
                }
            }
            return isFinite;
        });
    }

    private static bool All(long pieces, Func<long, bool> check)
    {
        var failed = 0;
        WorkerPool.Shared.Run(checked((int)pieces), piece =>
        {
            if (!check(piece))
                Volatile.Write(ref failed, 1);
        });
        return failed == 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeFour(uint* from, uint* to, long step, int rows, int columns)
    {
        var (evenRows, evenColumns) = Sse2.IsSupported ? (rows & ~3, columns & ~3) : (0, 0);
        for (var column = 0; column < evenColumns; column += 4)
        {
            for (var row = 0; row < evenRows; row += 4)
            {
                var source = from + (row * Tile) + column;
                var (a, b) = (Vector128.Load(source), Vector128.Load(source + Tile));
                var (c, d) = (Vector128.Load(source + (2 * Tile)), Vector128.Load(source + (3 * Tile)));
                var (ab, cd) = (Sse2.UnpackLow(a, b).AsUInt64(), Sse2.UnpackLow(c, d).AsUInt64());
                var (ab2, cd2) = (Sse2.UnpackHigh(a, b).AsUInt64(), Sse2.UnpackHigh(c, d).AsUInt64());
                var target = to + (column * step) + row;
                Sse2.UnpackLow(ab, cd).AsUInt32().Store(target);
                Sse2.UnpackHigh(ab, cd).AsUInt32().Store(target + step);
                Sse2.UnpackLow(ab2, cd2).AsUInt32().Store(target + (2 * step));
                Sse2.UnpackHigh(ab2, cd2).AsUInt32().Store(target + (3 * step));
            }
        }
        Rest(from, to, step, rows, columns, evenRows, evenColumns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void TransposeTwo(ushort* from, ushort* to, long step, int rows, int columns)
    {
        var (evenRows, evenColumns) = Sse2.IsSupported ? (rows & ~7, columns & ~7) : (0, 0);
        var line = stackalloc Vector128<ushort>[16];
        for (var column = 0; column < evenColumns; column += 8)
        {
            for (var row = 0; row < evenRows; row += 8)
            {
                for (var index = 0; index < 8; index++)
                    line[index] = Vector128.Load(from + ((row + index) * Tile) + column);
                // Three rounds of interleaving line i with line i + 4.
                for (var round = 0; round < 3; round++)
                {
                    var now = line + (8 * (round % 2));
                    var next = line + (8 * ((round + 1) % 2));
                    for (var index = 0; index < 4; index++)
                    {
                        next[2 * index] = Sse2.UnpackLow(now[index], now[index + 4]);
                        next[(2 * index) + 1] = Sse2.UnpackHigh(now[index], now[index + 4]);
                    }
                }
                for (var index = 0; index < 8; index++)
                    line[8 + index].Store(to + ((column + index) * step) + row);
            }
        }
        Rest(from, to, step, rows, columns, evenRows, evenColumns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rest<T>(T* from, T* to, long step, int rows, int columns, int doneRows, int doneColumns)
        where T : unmanaged
    {
        for (var column = 0; column < columns; column++)
        {
            for (var row = column < doneColumns ? doneRows : 0; row < rows; row++)
                to[(column * step) + row] = from[(row * Tile) + column];
        }
    }

    /// <summary>An axis of both sides, with its strides in values.</summary>
    private readonly record struct Axis(long Length, long From, long To);
}
