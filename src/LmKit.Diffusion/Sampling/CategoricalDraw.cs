using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws from unnormalised weights: argmax_v q_v / (1e-10 - ln(u_v + 1e-10)), which is the Gumbel-max draw.</summary>
public static class CategoricalDraw
{
    private const double Tiny = 1e-10;

    /// <summary>One draw (...) int64 for each row of weights (..., V), with uniforms of the same shape; ties go to the first.</summary>
    public static Tensor Sample(Tensor weights, Tensor uniforms)
    {
        TensorCheck.CheckAlive(weights, nameof(weights), nameof(CategoricalDraw));
        TensorCheck.CheckAlive(uniforms, nameof(uniforms), nameof(CategoricalDraw));
        if (weights.device_type == DeviceType.META || uniforms.device_type == DeviceType.META)
            throw new ArgumentException($"{nameof(CategoricalDraw)} takes tensors with values, and those on the meta device have none.", nameof(weights));
        if (!TensorCheck.IsFloating(weights.dtype) || !TensorCheck.IsFloating(uniforms.dtype) || weights.dim() == 0 || weights.size(-1) == 0 || !Broadcasts(weights.shape, uniforms.shape))
        {
            throw new ArgumentException(
                $"{nameof(CategoricalDraw)} takes real weights (..., V) of at least one category and uniforms of the same shape; got {weights.dtype} ({string.Join(", ", weights.shape)}) and {uniforms.dtype} ({string.Join(", ", uniforms.shape)}).",
                nameof(uniforms));
        }
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var noise = (HalfPrecision.Widen(uniforms).to(weights.device) + Tiny).log_().neg_().add_(Tiny); // in the sum's memory
        return HalfPrecision.Widen(weights).div(noise).argmax(-1).MoveToOuterDisposeScope();
    }

    // The same last axis, and leading ones that are alike or 1.
    private static bool Broadcasts(long[] weights, long[] uniforms) =>
        uniforms.Length > 0 && weights[^1] == uniforms[^1]
        && weights.Reverse().Zip(uniforms.Reverse()).All(pair => pair.First == pair.Second || pair.First == 1 || pair.Second == 1);
}

/// <summary>Gives the uniform numbers in [0, 1) that a sampler consumes; the first axis of a shape is the batch.</summary>
/// <param name="shape">The shape wanted.</param>
/// <returns>A new tensor on the CPU, in the caller's dispose scope.</returns>
public delegate Tensor UniformSource(params long[] shape);

/// <summary>Uniforms from one generator a row, so that a row's sample depends on its own generator only, whatever the batch.</summary>
/// <remarks>Float64: with the 24 bits of float32 uniforms rare tokens are drawn too rarely and entropy shrinks, which is what the
/// official code does. Not thread-safe.</remarks>
/// <param name="rows">The rows' generators; not disposed.</param>
/// <param name="isSingle">Draws float32 uniforms, as the official code does.</param>
public sealed class RowUniforms(RowGenerators rows, bool isSingle = false)
{
    private readonly ScalarType dtype = isSingle ? ScalarType.Float32 : ScalarType.Float64;
    private readonly RowGenerators rows = rows ?? throw new ArgumentNullException(nameof(rows));

    /// <summary>The next uniforms (B, ...).</summary>
    public Tensor Next(params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Length == 0 || shape[0] != rows.Count)
            throw new ArgumentException($"The first axis is the batch of {rows.Count}; got ({string.Join(", ", shape)}).", nameof(shape));
        Shapes.CheckSize(shape, nameof(shape));
        using var scope = NewDisposeScope();
        if (rows.Count == 0)
            return zeros(shape, dtype).MoveToOuterDisposeScope();
        return stack(rows.Select(random => rand(shape[1..], dtype, generator: random))).MoveToOuterDisposeScope();
    }

    /// <summary>The next uniforms of one row alone.</summary>
    public Tensor Next(int row, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, rows.Count);
        Shapes.CheckSize(shape, nameof(shape));
        return rand(shape, dtype, generator: rows[row]);
    }
}
