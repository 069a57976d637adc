using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keys that some rows hold after so many tokens of their document, the same number in every row and key head.</summary>
/// <param name="Keys">(B, Hkv, M, P) as their encoding makes them.</param>
/// <param name="Values">(B, Hkv, M, P).</param>
/// <param name="Positions">(B, Hkv, M) int64, ascending.</param>
/// <param name="Count">Tokens n of the document so far.</param>
internal sealed record KeptKeys(Tensor Keys, Tensor Values, Tensor Positions, long Count)
{
    internal long Length => Keys.size(2);

    /// <summary>Whether nothing was dropped yet.</summary>
    internal bool AreAll => Length == Count;

    /// <summary>None, in the dtype of some keys (B, Hkv, L, P); in the caller's scope.</summary>
    internal static KeptKeys None(Tensor keys) => new(
        keys.detach().narrow(2, 0, 0),
        keys.detach().narrow(2, 0, 0),
        empty([keys.size(0), keys.size(1), 0], ScalarType.Int64, keys.device),
        0);

    internal KeptKeys Row(long row, long length, long count) => new(
        Keys.narrow(0, row, 1).narrow(2, 0, length), Values.narrow(0, row, 1).narrow(2, 0, length), Positions.narrow(0, row, 1).narrow(2, 0, length), count);
}

/// <summary>Attention of one call under an eviction mask; all tensors in the caller's scope.</summary>
internal sealed class EvictionCall(EvictionMaskOptions options, PositionEncoding? encoding, double? softCap)
{
    private static readonly CausalMask Causal = new();

    /// <summary>Attends with rows that go on from what they hold.</summary>
    /// <param name="held">What they hold, the first of each row's slots being in use.</param>
    /// <param name="rows">Where the rows stand, moved past the call; null for the start.</param>
    /// <param name="q">Queries (B, H, L, P) before position encoding.</param>
    /// <param name="k">Keys (B, Hkv, L, P), likewise.</param>
    /// <param name="v">Values, likewise.</param>
    /// <param name="documents">Each column's document, -1 for padding; null where all rows go on alike.</param>
    /// <returns>(B, H, L, P), and what each row holds now: one for all, or one for each.</returns>
    internal (Tensor Attended, KeptKeys[] Held) Attend(KeptKeys held, EvictionRow[]? rows, Tensor q, Tensor k, Tensor v, long[]? documents)
    {
        if (documents is null)
        {
            var (whole, left) = Read(held, q, k, v);
            return (whole, [left]);
        }
        var (batch, length) = ((int)q.size(0), (int)q.size(2));
        rows ??= [.. Enumerable.Range(0, batch).Select(_ => new EvictionRow(0, 0, 0))];
        var (outputs, after) = (new List<Tensor>(), new KeptKeys[batch]);
        for (var row = 0; row < batch; row++)
        {
            var own = held.Row(row, rows[row].Length, rows[row].Count);
            var output = zeros([1, q.size(1), length, q.size(3)], q.dtype, q.device);
            var document = rows[row].Document;
            foreach (var run in Runs(documents.AsSpan(row * length, length)))
            {
                if (run.Document != document)
                    own = KeptKeys.None(k.narrow(0, row, 1));
                document = run.Document;
                var columns = tensor(run.Columns, device: q.device);
                Tensor Of(Tensor x) => x.narrow(0, row, 1).index_select(2, columns);
                (var attended, own) = Read(own, Of(q), Of(k), Of(v));
                output = output.index_copy(2, columns, attended);
            }
            outputs.Add(output);
            (after[row], rows[row]) = (own, new EvictionRow(document, own.Count, own.Length));
        }
        return (cat(outputs, 0), after);
    }

    // Rows that stand alike read on: up to an eviction, then the next tokens.
    private (Tensor Attended, KeptKeys Held) Read(KeptKeys held, Tensor q, Tensor k, Tensor v)
    {
        var outputs = new List<Tensor>();
        for (long start = 0, length = q.size(2); start < length;)
        {
            var due = Due(held);
            var taken = Math.Min(length - start, due - held.Count);
            var positions = arange(held.Count, held.Count + taken, ScalarType.Int64, device: q.device).expand(q.size(0), taken); // (B, T)
            var (queries, keys) = (q.narrow(2, start, taken), k.narrow(2, start, taken));
            keys = encoding is null ? keys : encoding.EncodeKeys(keys, positions);
            held = new KeptKeys(
                cat([held.Keys, keys], 2),
                cat([held.Values, v.narrow(2, start, taken)], 2),
                cat([held.Positions, positions.unsqueeze(1).expand(-1, k.size(1), -1)], 2),
                held.Count + taken);
            outputs.Add(Attended(held, queries, positions));
            if (held.Count == due)
                held = Evict(held, queries.narrow(2, taken - 1, 1), positions.narrow(1, taken - 1, 1));
            start += taken;
        }
        return (outputs.Count == 1 ? outputs[0] : cat(outputs, 2), held);
    }

    // The number of tokens after which keys are dropped next: a multiple of b at which more than C are held.
    private long Due(KeptKeys held)
    {
        var full = held.Count + options.Budget - held.Length; // C keys are held then
        return (full / options.BlockLength + 1) * options.BlockLength;
    }

    private Tensor Attended(KeptKeys held, Tensor q, Tensor positions)
    {
        if (held.AreAll)
        {
            var input = new AttentionInput(q, held.Keys, held.Values, positions, held.Positions.select(1, 0), null, null, encoding) { HasEncodedKeys = encoding is not null, SoftCap = softCap };
            return DenseAttention.Attend(input, Causal);
        }
        return SharedHeads.Split(einsum("bhlm,bhmp->bhlp", Weights(held, q, positions), held.Values), q.size(1));
    }

    // (B, Hkv, H / Hkv * L, M), the queries of one head side by side.
    private Tensor Weights(KeptKeys held, Tensor q, Tensor positions)
    {
        var keyHeads = held.Keys.size(1);
        var sharing = q.size(1) / keyHeads;
        var turned = encoding is null ? q : encoding.EncodeQueries(q, positions);
        var scores = einsum("bhlp,bhmp->bhlm", SharedHeads.Join(turned * (1 / Math.Sqrt(q.size(3))), keyHeads), held.Keys);
        if (softCap is { } cap)
            scores = (scores / cap).tanh() * cap;
        var distances = positions.unsqueeze(1).unsqueeze(-1) - held.Positions.unsqueeze(-2); // (B, Hkv, L, M)
        if (Bias(distances, sharing, scores.dtype) is { } bias)
            scores += bias;
        return scores.masked_fill(distances.lt(0).repeat(1, 1, sharing, 1), double.NegativeInfinity).softmax(-1);
    }

    // Key heads hold other keys each, so each has distances of its own.
    private Tensor? Bias(Tensor distances, long sharing, ScalarType dtype)
    {
        if (encoding is null or { IsBiasFree: true })
            return null;
        var biases = new List<Tensor>();
        for (var head = 0L; head < distances.size(1); head++)
        {
            if (encoding.Bias(distances.select(1, head), dtype) is not { } all) // (B, H, L, M)
                return null;
            biases.Add(SharedHeads.Join(all.narrow(1, head * sharing, sharing), 1));
        }
        return cat(biases, 1).expand(distances.size(0), -1, -1, -1);
    }

    private KeptKeys Evict(KeptKeys held, Tensor lastQuery, Tensor lastPosition)
    {
        var slots = Best(held, lastQuery, lastPosition);
        var wide = slots.unsqueeze(-1).expand(-1, -1, -1, held.Keys.size(3));
        return new KeptKeys(held.Keys.gather(2, wide), held.Values.gather(2, wide), held.Positions.gather(2, slots), held.Count);
    }

    // The slots that stay (B, Hkv, C), ascending.
    private Tensor Best(KeptKeys held, Tensor lastQuery, Tensor lastPosition)
    {
        using var frozen = no_grad();
        var scores = options.Policy switch
        {
            EvictionPolicy.KeyNorm => -held.Keys.norm(-1, false, 2),
            EvictionPolicy.KeyDiff => -Likeness(held.Keys),
            _ => Weights(held, lastQuery, lastPosition).mean([1L, 2L]).unsqueeze(1).expand(-1, held.Keys.size(1), -1),
        }; // (B, Hkv, M)
        var always = held.Positions.lt(options.StartLength).logical_or(held.Positions.ge(held.Count - options.RecentLength));
        var (_, best) = sort(scores.masked_fill(always, double.PositiveInfinity), -1, descending: true, stable: true);
        var (slots, _) = sort(best.narrow(-1, 0, options.Budget), -1, descending: false, stable: true);
        return slots;
    }

    // The cosine of each key and the mean of all keys at length 1.
    private static Tensor Likeness(Tensor keys)
    {
        var unit = nn.functional.normalize(keys, 2, -1);
        return (unit * nn.functional.normalize(unit.mean([2L], keepdim: true), 2, -1)).sum(-1);
    }

    // The valid columns of a row, document after document.
    private static List<(long Document, long[] Columns)> Runs(ReadOnlySpan<long> documents)
    {
        var runs = new List<(long Document, List<long> Columns)>();
        for (var column = 0; column < documents.Length; column++)
        {
            if (documents[column] < 0)
                continue;
            if (runs.Count == 0 || runs[^1].Document != documents[column])
                runs.Add((documents[column], []));
            runs[^1].Columns.Add(column);
        }
        return [.. runs.Select(run => (run.Document, run.Columns.ToArray()))];
    }
}

/// <summary>Where a row stands, and how many keys it holds.</summary>
/// <param name="Document">Its last document.</param>
/// <param name="Count">Tokens of it so far.</param>
/// <param name="Length">Keys held.</param>
internal readonly record struct EvictionRow(long Document, long Count, long Length);
