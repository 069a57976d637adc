using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention through a mask of three numbers (<see cref="MaskReach"/>): the last keys at their true distance, and the first ones at the
/// distance that the mask tells; time and memory linear in the length.</summary>
/// <remarks>
/// <para>Near keys are met by queries encoded at their own positions; far ones by queries and keys that are encoded for the distance at which the
/// mask shows them, so no score needs a distance of its own. Documents of padded and packed rows are attended one by one.</para>
/// <para>The CPU form serves float32 with no positions, rotary and ALiBi: tiles of queries meet tiles of keys with a running softmax (Milakov and
/// Gimelshein 2018), and backward makes the weights again. Everything else takes tiles in library operations. Forms agree within 2e-5 of the
/// largest entry; bits do not depend on the number of threads.</para>
/// </remarks>
internal static unsafe partial class LambdaAttention
{
    /// <summary>Attends; the input is checked.</summary>
    /// <param name="input">Queries, keys and values of a call.</param>
    /// <param name="reach">The three numbers.</param>
    /// <returns>(B, H, L, P), in the caller's dispose scope; zero for a query that sees no key.</returns>
    internal static Tensor Attend(AttentionInput input, MaskReach reach)
    {
        using var scope = NewDisposeScope();
        if (input.Queries.numel() == 0)
            return Nothing(input).MoveToOuterDisposeScope();
        if (input.Keys.size(2) == 0)
            return zeros_like(input.Queries).MoveToOuterDisposeScope();
        var given = input.Queries.dtype;
        var attended = input.QuerySegments is null ? Uniform(input, reach) : ByDocument(input, own => Attended(own, reach, Positions(own.QueryPositions), Positions(own.KeyPositions)));
        return attended.to(given).MoveToOuterDisposeScope();
    }

    // No numbers, which still hang on everything that gets gradients.
    private static Tensor Nothing(AttentionInput input)
    {
        var others = input.Keys.sum() + input.Values.sum();
        return input.Queries + (input.Sinks is { } sinks ? others + sinks.sum() : others);
    }

    private static Tensor Uniform(AttentionInput input, MaskReach reach)
    {
        var (queries, keys) = (Positions(input.QueryPositions), Positions(input.KeyPositions));
        if (input.Sinks is null && IsPlainCausal(queries, keys, reach))
            return DenseAttention.Attend(input, new EarlierKeys());
        return Attended(input.Widened(), reach, queries, keys);
    }

    // The whole of a text that nothing is hidden from: what plain causal attention computes, bit for bit.
    private static bool IsPlainCausal(long[] queries, long[] keys, MaskReach reach) =>
        queries.Length == keys.Length && queries[^1] - keys[0] == keys.Length - 1 && keys.Length <= reach.Window && queries.AsSpan().SequenceEqual(keys)
        && KeyRanges.IsAscending(keys);

    private static Tensor Attended(AttentionInput input, MaskReach reach, long[] queries, long[] keys)
    {
        if (KeyRanges.Of(queries, keys, reach) is not { } ranges)
            return Sorted(input, reach, queries, keys);
        var parts = LambdaParts.Of(input, reach, ranges, queries, keys);
        return IsServed(parts) ? OnCpu(parts) : Reference(parts);
    }

    // Positions in any order: attended in theirs, and brought back.
    private static Tensor Sorted(AttentionInput input, MaskReach reach, long[] queries, long[] keys)
    {
        var (queryOrder, keyOrder) = (Order(queries), Order(keys));
        var device = input.Queries.device;
        var (chosenQueries, chosenKeys) = (tensor(queryOrder, device: device), tensor(keyOrder, device: device));
        var ordered = input with
        {
            Queries = input.Queries.index_select(2, chosenQueries),
            QueryPositions = input.QueryPositions.index_select(1, chosenQueries),
            Keys = input.Keys.index_select(2, chosenKeys),
            Values = input.Values.index_select(2, chosenKeys),
            KeyPositions = input.KeyPositions.index_select(1, chosenKeys),
        };
        var attended = Attended(ordered, reach, At(queries, 0, queryOrder), At(keys, 0, keyOrder));
        return attended.index_select(2, tensor(Order(queryOrder), device: device));

        static long[] Order(long[] values) => [.. values.Select((value, index) => (value, index)).OrderBy(pair => pair.value).Select(pair => (long)pair.index)];
    }

    /// <summary>Attends in rows whose documents or padding differ: each document by itself, in its own columns.</summary>
    /// <param name="input">The call, with segments.</param>
    /// <param name="attend">Attends in one document, which gets float32 or wider, one row, and no segments: (1, H, L, P).</param>
    /// <returns>(B, H, L, P) in the caller's dispose scope; zero in padding.</returns>
    internal static Tensor ByDocument(AttentionInput input, Func<AttentionInput, Tensor> attend)
    {
        using var scope = NewDisposeScope();
        input = input.Widened();
        var (batch, length, held) = (input.Queries.size(0), input.Queries.size(2), input.Keys.size(2));
        var (queryDocuments, keyDocuments) = (HostValues.Read(input.QuerySegments!), HostValues.Read(input.KeySegments!));
        var (queryPositions, keyPositions) = (HostValues.Read(input.QueryPositions.expand(batch, length)), HostValues.Read(input.KeyPositions.expand(batch, held)));
        var rows = new List<Tensor>();
        for (var row = 0L; row < batch; row++)
        {
            var documents = queryDocuments.AsSpan((int)(row * length), (int)length);
            var attended = new List<Tensor>();
            var order = new List<long>();
            foreach (var document in documents.ToArray().Where(id => id >= 0).Distinct())
            {
                var columns = Columns(documents, document);
                var seen = Columns(keyDocuments.AsSpan((int)(row * held), (int)held), document);
                if (seen.Length == 0)
                    continue;
                attended.Add(OneDocument(input, attend, row, columns, seen, At(queryPositions, row * length, columns), At(keyPositions, row * held, seen)));
                order.AddRange(columns);
            }
            rows.Add(Spread(attended, order, input.Queries, row));
        }
        return cat(rows, 0).MoveToOuterDisposeScope();
    }

    private static Tensor OneDocument(AttentionInput input, Func<AttentionInput, Tensor> attend, long row, long[] columns, long[] seen, long[] queries, long[] keys)
    {
        using var scope = NewDisposeScope();
        var own = input with
        {
            Queries = Take(input.Queries, row, columns),
            Keys = Take(input.Keys, row, seen),
            Values = Take(input.Values, row, seen),
            QueryPositions = tensor(queries, [1, queries.Length], device: input.Queries.device),
            KeyPositions = tensor(keys, [1, keys.Length], device: input.Queries.device),
            QuerySegments = null,
            KeySegments = null,
            Encoding = (input.Encoding as RowEncodings)?.OfRow(row) ?? input.Encoding,
        };
        return attend(own).MoveToOuterDisposeScope();
    }

    // (B, H, L, P) to (1, H, columns, P).
    private static Tensor Take(Tensor x, long row, long[] columns)
    {
        var own = x.narrow(0, row, 1);
        if (columns[^1] - columns[0] == columns.Length - 1)
            return own.narrow(2, columns[0], columns.Length);
        return own.index_select(2, tensor(columns, device: x.device));
    }

    // What each document gave, in its columns; zero in those of padding: (1, H, L, P).
    private static Tensor Spread(List<Tensor> attended, List<long> order, Tensor queries, long row)
    {
        var one = queries.narrow(0, row, 1);
        if (attended.Count == 0)
            return one.masked_fill(ones_like(one, ScalarType.Bool), 0); // zero, and in the graph
        var joined = attended.Count == 1 ? attended[0] : cat(attended, 2);
        var (first, count, length) = (order[0], order.Count, queries.size(2));
        if (order.Select((column, index) => column - index).Distinct().Count() == 1)
            return count == length ? joined : nn.functional.pad(joined, [0, 0, first, length - first - count]);
        return zeros_like(one).index_copy(2, tensor(order.ToArray(), device: queries.device), joined);
    }

    private static long[] Columns(ReadOnlySpan<long> documents, long document)
    {
        var columns = new List<long>();
        for (var column = 0; column < documents.Length; column++)
        {
            if (documents[column] == document)
                columns.Add(column);
        }
        return [.. columns];
    }

    private static long[] At(long[] values, long start, long[] columns) => Array.ConvertAll(columns, column => values[start + column]);

    // Of the rows of a uniform batch, which agree.
    private static long[] Positions(Tensor rows)
    {
        using var first = rows.select(0, 0);
        return HostValues.Read(first);
    }

    // What a window hides nothing of.
    private sealed class EarlierKeys : IAttentionMask
    {
        public bool IsCausal => true;

        public bool IsPlainCausal => true;

        public bool Forgets => false;

        public long? DistanceCeiling => null;

        public Tensor? Visible(Tensor queries, Tensor keys)
        {
            using var i = queries.unsqueeze(-1);
            using var j = keys.unsqueeze(-2);
            return i.ge(j);
        }
    }
}
