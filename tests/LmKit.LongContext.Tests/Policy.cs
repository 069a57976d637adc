using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>A mask of this package with what it means, written out pair by pair.</summary>
/// <param name="Name">What it is called in messages.</param>
/// <param name="Add">Adds it to a model.</param>
/// <param name="Shown">The distance at which the query at i shows the key at j &lt;= i; -1 where it hides it.</param>
/// <param name="PlainLength">The length of text up to which it is plain causal attention.</param>
internal sealed record Policy(string Name, Action<LanguageModelBuilder> Add, Func<long, long, long> Shown, long PlainLength)
{
    /// <summary>By how much the score of a pair is lowered.</summary>
    internal Func<long, long, double> Lowered { get; init; } = (_, _) => 0;

    /// <summary>Every policy beside the Lambda mask with a ceiling, which has tests of its own.</summary>
    internal static IReadOnlyList<Policy> All { get; } =
    [
        new("mask only", builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (7, 3, true)), (i, j) => i - j < 7 || j < 3 ? i - j : -1, 7),
        new("streaming", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (3, 6)), (i, j) => Streaming(i, j, 3, 7), 10),
        new("streaming that evicts before", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (4, 5, true)), (i, j) => Streaming(i, j, 4, 5), 9),
        new("window of streaming", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (0, 5)), (i, j) => Streaming(i, j, 0, 6), 6),
        new("ceiling", builder => builder.AddCeilingMask(mask => mask.DistanceCeiling = 8), (i, j) => Math.Min(i - j, 8), 9),
        new("triangle", builder => builder.AddCeilingMask(mask => (mask.DistanceCeiling, mask.TriangleOffset, mask.LocalLength, mask.GlobalLength) = (9, 0.7, 5, 2)), (i, j) => Math.Min(i - j, 9), 7)
        {
            Lowered = (i, j) => j >= 2 && i - j >= 5 ? 0.7 * Math.Log(i - 5 + 1 - 2) : 0,
        },
        new("Self-Extend", builder => builder.AddSelfExtendMask(mask => (mask.NeighborLength, mask.GroupSize) = (6, 4)), (i, j) => i - j < 6 ? i - j : (i / 4) - (j / 4) + 6 - 1, 6),
        new("dual chunk", builder => builder.AddDualChunkMask(mask => (mask.ChunkLength, mask.LocalLength) = (8, 3)), DualChunk, 8),
    ];

    /// <summary>The mask as a layer gets it.</summary>
    internal IAttentionMask Mask()
    {
        var builder = LmKit.Conformance.ToyModel.Builder();
        Add(builder);
        return LmKit.Conformance.ToyModel.Component(builder, layer => layer.Mask());
    }

    /// <summary>Its attention, query by query and pair by pair; positions are those of the input's first row.</summary>
    internal Tensor Attended(AttentionInput input)
    {
        var (batch, heads, length) = (input.Queries.size(0), input.Queries.size(1), input.Queries.size(2));
        var sharing = heads / input.Keys.size(1);
        var rows = new List<Tensor>();
        for (long query = 0; query < length; query++)
        {
            var i = input.QueryPositions[0, query].item<long>();
            var seen = Enumerable.Range(0, (int)input.Keys.size(2)).Select(key => (Key: (long)key, Place: input.KeyPositions[0, key].item<long>()))
                .Where(pair => pair.Place <= i && Shown(i, pair.Place) >= 0).ToArray();
            var index = tensor(seen.Select(pair => pair.Key).ToArray());
            var shown = tensor(seen.Select(pair => Shown(i, pair.Place)).ToArray()).expand(batch, -1);
            var lowered = tensor(seen.Select(pair => Lowered(i, pair.Place)).ToArray());
            var k = input.Keys.index_select(2, index).repeat_interleave(sharing, 1);
            var v = input.Values.index_select(2, index).repeat_interleave(sharing, 1);
            var q = input.Queries.narrow(2, query, 1).expand(-1, -1, seen.Length, -1);
            var scores = (PlainPositions.Turned(input.Encoding, q, shown) * PlainPositions.Turned(input.Encoding, k, zeros_like(shown))).sum(-1) / Math.Sqrt(q.size(3));
            scores = PlainPositions.Capped(scores, input.SoftCap) + PlainPositions.Bias(input.Encoding, heads, shown) - lowered; // (B, H, M)
            rows.Add((scores.softmax(-1).unsqueeze(-1) * v).sum(2, keepdim: true));
        }
        return cat(rows, 2);
    }

    public override string ToString() => Name;

    // Positions within the cache: of what is kept, the tokens before a key.
    private static long Streaming(long i, long j, long starts, long window) =>
        i - j >= window && j >= starts ? -1 : j < starts ? Math.Min(i, starts + window - 1) - j : i - j;

    // The paper's three cases with s = 8 and w = 3, so c = 11.
    private static long DualChunk(long i, long j) => ((i / 8) - (j / 8)) switch
    {
        0 => i - j,
        1 => new long[] { 8, 9, 10, 10, 10, 10, 10, 10 }[i % 8] - (j % 8),
        _ => 10 - (j % 8),
    };
}
