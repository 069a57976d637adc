using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Rotary positions and linear biases written out number by number, apart from the product's own.</summary>
internal static class PlainPositions
{
    /// <summary>Vectors (B, H, M, P) turned by positions (B, M): RoFormer's equation 15 with base 10,000, for the encodings of these tests.</summary>
    internal static Tensor Turned(PositionEncoding? encoding, Tensor vectors, Tensor positions)
    {
        if (encoding is not RotaryEmbedding)
            return vectors;
        // The first four features in pairs of neighbours, or all eight with pairs of halves.
        var isNeighbours = IsNeighbours(encoding);
        var width = isNeighbours ? 4 : 8;
        var turned = vectors.clone();
        for (var pair = 0; pair < width / 2; pair++)
        {
            var (a, b) = isNeighbours ? (2 * pair, 2 * pair + 1) : (pair, pair + width / 2);
            var angle = positions.to(ScalarType.Float64) * Math.Pow(10_000, -2.0 * pair / width);
            var (cos, sin) = (angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)); // (B, 1, M)
            var (x, y) = (vectors.select(-1, a), vectors.select(-1, b));
            turned.select(-1, a).copy_(x * cos - y * sin);
            turned.select(-1, b).copy_(x * sin + y * cos);
        }
        return turned;
    }

    /// <summary>What is added to scores (B, H, M) of keys at distances (B, M): Press et al. 2022 for powers of two of heads.</summary>
    internal static Tensor Bias(PositionEncoding? encoding, long heads, Tensor distances)
    {
        if (encoding is not AlibiEncoding)
            return zeros(1, dtype: ScalarType.Float64);
        var slopes = tensor(Enumerable.Range(1, (int)heads).Select(head => Math.Pow(2, -8.0 * head / heads)).ToArray()).view(1, heads, 1);
        return -slopes * distances.to(ScalarType.Float64).unsqueeze(1);
    }

    /// <summary>c tanh(score / c), written with exponentials.</summary>
    internal static Tensor Capped(Tensor scores, double? cap) => cap is { } c ? c * (1 - 2 / ((2 * scores / c).exp() + 1)) : scores;

    /// <summary>Attention of every query to the keys that it keeps, at their distance, or the ceiling from the window on.</summary>
    internal static Tensor Attended(AttentionInput input, bool[][] kept, long window, long ceiling)
    {
        var (heads, rows) = (input.Queries.size(1), new List<Tensor>());
        var (keys, values) = (input.Keys.repeat_interleave(heads / input.Keys.size(1), 1), input.Values.repeat_interleave(heads / input.Keys.size(1), 1));
        for (var i = 0; i < kept.Length; i++)
        {
            if (!kept[i].Contains(true))
            {
                rows.Add(zeros_like(input.Queries.narrow(2, i, 1)));
                continue;
            }
            var index = tensor(kept[i]).nonzero().squeeze(-1);
            var distance = input.QueryPositions.narrow(1, i, 1) - input.KeyPositions.index_select(1, index); // (B, M)
            var shown = distance.masked_fill(distance.ge(window), ceiling);
            var (q, k) = (input.Queries.narrow(2, i, 1).expand(-1, -1, index.size(0), -1), keys.index_select(2, index));
            var scores = (Turned(input.Encoding, q, shown) * Turned(input.Encoding, k, zeros_like(shown))).sum(-1) / Math.Sqrt(q.size(3));
            scores = Capped(scores, input.SoftCap) + Bias(input.Encoding, heads, shown);
            rows.Add((scores.softmax(-1).unsqueeze(-1) * values.index_select(2, index)).sum(2, keepdim: true));
        }
        return cat(rows, 2);
    }

    // An encoding does not say how it pairs; neighbours leave the second half of a vector of eight as it is.
    private static bool IsNeighbours(PositionEncoding encoding)
    {
        using var turned = encoding.EncodeKeys(ones(1, 1, 1, 8, dtype: ScalarType.Float64), ones(1, 1, dtype: ScalarType.Int64));
        return turned[0, 0, 0, 7].item<double>() == 1;
    }
}
