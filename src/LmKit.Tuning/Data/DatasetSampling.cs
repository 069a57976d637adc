using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Which documents of a source are used: by seed and name alone, so in any order and at any concurrency the same.</summary>
internal static class DatasetSampling
{
    internal static async IAsyncEnumerable<SourceDocument> ReadAsync(IAsyncEnumerable<SourceDocument> documents, DatasetOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var highest = options.SampleCount == 0 ? ulong.MaxValue : await HighestAsync(documents, options, cancellation).ConfigureAwait(false);
        await foreach (var document in documents.WithCancellation(cancellation).ConfigureAwait(false))
        {
            if (DocumentKey.IsSampled(options.Seed, document.Id, options.SampleRate) && (options.SampleCount == 0 || DocumentKey.Of(options.Seed, document.Id) <= highest))
                yield return document;
        }
    }

    // The K-th smallest key, in one pass with K keys in memory.
    private static async Task<ulong> HighestAsync(IAsyncEnumerable<SourceDocument> documents, DatasetOptions options, CancellationToken cancellation)
    {
        var smallest = new PriorityQueue<ulong, ulong>(Comparer<ulong>.Create((a, b) => b.CompareTo(a)));
        await foreach (var document in documents.WithCancellation(cancellation).ConfigureAwait(false))
        {
            var key = DocumentKey.Of(options.Seed, document.Id);
            if (smallest.Count < options.SampleCount)
                smallest.Enqueue(key, key);
            else
                _ = smallest.EnqueueDequeue(key, key);
        }
        return smallest.Count < options.SampleCount ? ulong.MaxValue : smallest.Peek();
    }
}
