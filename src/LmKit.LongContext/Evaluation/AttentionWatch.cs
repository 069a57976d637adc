using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads the scores of every attention of a model while it is called, a few queries at a time; disposing it ends that.</summary>
/// <remarks>The model computes what it would compute unwatched, a token's step over a cache excepted, which is then done by the mask's other form.</remarks>
internal sealed class AttentionWatch : IDisposable
{
    // Of scores in memory at a time: 32 MiB in float64, and a few times that of what is made of them.
    private const long ScoresAtOnce = 1L << 22;

    private readonly LengthLosses buckets;
    private readonly long startCount;
    private readonly List<Attention> watched = [];
    private readonly SortedDictionary<(int Layer, int Bucket), AttentionSums> sums = [];

    /// <summary>Watches a model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="edges">Where buckets begin.</param>
    /// <param name="startCount">How many tokens of a text count as its starting ones.</param>
    internal AttentionWatch(LanguageModel model, IReadOnlyList<long> edges, long startCount)
    {
        (buckets, this.startCount) = (new LengthLosses(edges), startCount);
        foreach (var (layer, block) in model.Blocks.Index())
        {
            foreach (var attention in ((nn.Module)block).modules().OfType<Attention>())
            {
                attention.Watcher = (input, mask) => Read(layer, input, mask);
                watched.Add(attention);
            }
        }
    }

    /// <summary>How many attentions there are to watch.</summary>
    internal int Count => watched.Count;

    /// <summary>What was read, by layer and bucket.</summary>
    internal IReadOnlyList<AttentionFigures> Figures => [.. sums.Select(one => one.Value.Figures(one.Key.Layer, buckets.From(one.Key.Bucket), buckets.To(one.Key.Bucket)))];

    public void Dispose()
    {
        foreach (var attention in watched)
            attention.Watcher = null;
    }

    private void Read(int layer, AttentionInput input, IAttentionMask mask)
    {
        if (input.QuerySegments is not null)
            throw new NotSupportedException("The scores of attention are read of texts of one length, without padding and documents.");
        if (TrueLogits.Unknown(mask) is { } unknown)
            throw new NotSupportedException(unknown);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (first, length) = (input.QueryPositions[0, 0].item<long>(), input.Queries.size(2));
        var isStart = input.KeyPositions.lt(startCount).unsqueeze(1).unsqueeze(1); // (B, 1, 1, M)
        var most = Math.Max(1, ScoresAtOnce / (input.Queries.size(0) * input.Queries.size(1) * input.Keys.size(2)));
        for (long start = 0; start < length;)
        {
            var bucket = buckets.BucketOf(first + start);
            var end = Math.Min(length, Math.Min(start + most, (buckets.To(bucket) ?? long.MaxValue) - first));
            using var inner = NewDisposeScope();
            if (AttentionRows.Read(TrueLogits.Of(input, mask, start, end - start), isStart, input.Sinks) is { } rows)
            {
                if (!sums.TryGetValue((layer, bucket), out var sum))
                    sums[(layer, bucket)] = sum = new AttentionSums();
                sum.Add(rows);
            }
            start = end;
        }
    }
}
