using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>A tile of queries on the way back: what it keeps between the key tiles that it meets.</summary>
/// <remarks>With weights p, dp = dy v and slopes ds = p (dp - dy y): dv += p^T dy, dk += ds^T q, dq += ds k (Dao et al. 2022, Algorithm 4).</remarks>
internal readonly unsafe struct BackwardWork
{
    /// <summary>The call.</summary>
    internal LambdaCall Call { get; init; }

    /// <summary>The query head.</summary>
    internal int Head { get; init; }

    /// <summary>The first query.</summary>
    internal int Start { get; init; }

    /// <summary>Queries.</summary>
    internal int Count { get; init; }

    /// <summary>Their scaled numbers (count, width).</summary>
    internal float* Queries { get; init; }

    /// <summary>The gradients of their outputs (count, width).</summary>
    internal float* Upstream { get; init; }

    /// <summary>Their gradients so far (count, width), before the scale.</summary>
    internal float* ForQueries { get; init; }

    /// <summary>Room for weights (96, 64).</summary>
    internal float* Weights { get; init; }

    /// <summary>Room for the gradients of scores (96, 64).</summary>
    internal float* Slopes { get; init; }

    /// <summary>Room for the derivatives of the soft cap (96, 64).</summary>
    internal float* Factors { get; init; }

    /// <summary>Outputs times their gradients (count).</summary>
    internal float* Products { get; init; }

    /// <summary>Logs of the softmaxes' sums (count).</summary>
    internal float* Sums { get; init; }

    /// <summary>Meets a tile of keys and adds to the gradients of both.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal void Meet<V, T>(float* keys, float* keyRows, float* values, float* forKeys, float* forValues, int first, bool isFar)
        where V : struct
        where T : struct, ILanes<V>
    {
        const int stride = LambdaCall.KeyTile;
        // Ranges grow from query to query, so the queries that see keys of the tile stand side by side.
        int top = 0, bottom = Count;
        while (top < bottom && IsBlind(top, first, isFar))
            top++;
        while (bottom > top && IsBlind(bottom - 1, first, isFar))
            bottom--;
        if (top == bottom)
            return;
        var seen = LambdaTile<V, T>.Range(Call, Start + top, first, isFar).Seen;
        var behind = LambdaTile<V, T>.Range(Call, Start + bottom - 1, first, isFar).Behind;
        int low = seen / T.Count, high = (behind + T.Count - 1) / T.Count, wide = Call.Width, rows = bottom - top;
        LambdaTile<V, T>.Scores(Call, Head, Start + top, rows, Queries + (top * wide), keys, first, low, high, isFar, Weights + (top * stride), Factors + (top * stride));
        BlockProduct<V, T>.Run(Upstream + (top * wide), wide, 1, values + (low * T.Count), stride, Slopes + (top * stride) + (low * T.Count), stride, null, rows, Call.HeadDim, high - low, adds: false);
        for (var row = top; row < bottom; row++)
            Differentiate<V, T>(row, low, high);
        float* weights = Weights + (top * stride) + seen, slopes = Slopes + (top * stride) + seen;
        var (count, vectors) = (behind - seen, wide / T.Count);
        var place = (long)(first + seen) * wide;
        BlockProduct<V, T>.Run(weights, 1, stride, Upstream + (top * wide), wide, forValues + place, wide, null, count, rows, vectors, adds: true);
        BlockProduct<V, T>.Run(slopes, 1, stride, Queries + (top * wide), wide, forKeys + place, wide, null, count, rows, vectors, adds: true);
        BlockProduct<V, T>.Run(slopes, stride, 1, keyRows + place, wide, ForQueries + (top * wide), wide, null, rows, count, vectors, adds: true);
    }

    /// <summary>Writes the queries' gradients.</summary>
    internal void Store(float* target)
    {
        for (var row = 0; row < Count; row++)
        {
            for (var at = 0; at < Call.HeadDim; at++)
                target[(row * Call.HeadDim) + at] = ForQueries[(row * Call.Width) + at] * Call.Scale;
        }
    }

    private bool IsBlind(int row, int first, bool isFar)
    {
        var (seen, behind) = LambdaTile<System.Runtime.Intrinsics.Vector128<float>, PortableLanes>.Range(Call, Start + row, first, isFar);
        return seen >= behind;
    }

    // Scores to weights, and the products dy v to the gradients of scores before the scale.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Differentiate<V, T>(int row, int low, int high)
        where V : struct
        where T : struct, ILanes<V>
    {
        float* scores = Weights + (row * LambdaCall.KeyTile), slopes = Slopes + (row * LambdaCall.KeyTile);
        if (float.IsNegativeInfinity(Sums[row]))
        {
            new Span<float>(scores + (low * T.Count), (high - low) * T.Count).Clear();
            new Span<float>(slopes + (low * T.Count), (high - low) * T.Count).Clear();
            return;
        }
        V sum = T.Broadcast(Sums[row]), product = T.Broadcast(Products[row]);
        for (var at = low * T.Count; at < high * T.Count; at += T.Count)
        {
            var weight = SoftmaxLanes.Exp<V, T>(T.Subtract(T.Load(scores + at), sum));
            var slope = T.Multiply(weight, T.Subtract(T.Load(slopes + at), product));
            T.Store(Call.SoftCap > 0 ? T.Multiply(slope, T.Load(Factors + (row * LambdaCall.KeyTile) + at)) : slope, slopes + at);
            T.Store(weight, scores + at);
        }
    }
}
