using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>What attention hands to a mask, made by hand.</summary>
internal static class Inputs
{
    /// <summary>One document per row; the queries are the last of the keys. The caller's scope owns the positions.</summary>
    internal static AttentionInput Uniform(Tensor q, Tensor k, Tensor v, PositionEncoding? encoding)
    {
        var (batch, length, count) = (q.size(0), q.size(2), k.size(2));
        var keys = arange(count, dtype: ScalarType.Int64).expand(batch, count);
        return new AttentionInput(q, k, v, keys.narrow(1, count - length, length), keys, null, null, encoding);
    }

    /// <summary>The same content with segments, which takes the dense form.</summary>
    internal static AttentionInput WithSegments(this AttentionInput input) => input with
    {
        QuerySegments = zeros_like(input.QueryPositions),
        KeySegments = zeros_like(input.KeyPositions),
    };

    internal static Tensor Random(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed);
        return randn(shape, ScalarType.Float64, generator: random);
    }
}
