using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Uniforms from one generator a row, so that row i's sample depends on the seed and i only, whatever the batch.</summary>
/// <remarks>Float64: with the 24 bits of float32 uniforms rare tokens are drawn too rarely and entropy shrinks, which is what the
/// official code does. Not thread-safe.</remarks>
public sealed class RowUniforms : IDisposable
{
    private readonly Generator[] rows;
    private readonly ScalarType dtype;

    /// <summary>Makes the generators of a batch.</summary>
    /// <param name="batch">Rows.</param>
    /// <param name="seed">The seed; row i uses a number derived from it and i.</param>
    /// <param name="isSingle">Draws float32 uniforms, as the official code does.</param>
    public RowUniforms(long batch, long seed, bool isSingle = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(batch);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch, 1L << 24);
        dtype = isSingle ? ScalarType.Float32 : ScalarType.Float64;
        rows = [.. Enumerable.Range(0, (int)batch).Select(row => new Generator(Mix(unchecked((ulong)seed + 0x9E3779B97F4A7C15UL * (ulong)(row + 1)))))];
    }

    /// <summary>The next uniforms (B, ...).</summary>
    public Tensor Next(params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Length == 0 || shape[0] != rows.Length)
            throw new ArgumentException($"The first axis is the batch of {rows.Length}; got ({string.Join(", ", shape)}).", nameof(shape));
        Shapes.CheckSize(shape, nameof(shape));
        using var scope = NewDisposeScope();
        if (rows.Length == 0)
            return zeros(shape, dtype).MoveToOuterDisposeScope();
        return stack(rows.Select(random => rand(shape[1..], dtype, generator: random))).MoveToOuterDisposeScope();
    }

    /// <summary>The next uniforms of one row alone.</summary>
    public Tensor Next(int row, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, rows.Length);
        Shapes.CheckSize(shape, nameof(shape));
        return rand(shape, dtype, generator: rows[row]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var random in rows)
            random.Dispose();
    }

    private static ulong Mix(ulong z)
    {
        unchecked
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            return z ^ (z >> 31);
        }
    }
}
