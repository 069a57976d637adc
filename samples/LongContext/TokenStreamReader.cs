using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongStream;

/// <summary>Reads a text of any length through a model's carried state, and says bin by bin what that costs.</summary>
/// <param name="model">The model, in evaluation mode.</param>
/// <param name="chunkLength">Tokens of a call.</param>
/// <param name="binLength">Tokens of a bin; a multiple of the chunk.</param>
public sealed class TokenStreamReader(LanguageModel model, int chunkLength, int binLength)
{
    /// <summary>Reads the text once, from its first token to its last.</summary>
    /// <param name="ids">The text's tokens, two or more.</param>
    /// <param name="progress">Told of every bin, the last one included, which may be shorter.</param>
    /// <param name="cancellation">Stops between calls.</param>
    /// <returns>Every bin.</returns>
    public IReadOnlyList<StreamPoint> Read(IReadOnlyList<int> ids, IProgress<StreamPoint> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ArgumentNullException.ThrowIfNull(progress);
        ArgumentOutOfRangeException.ThrowIfLessThan(ids.Count, 2, nameof(ids));
        if (chunkLength < 1 || binLength < chunkLength || binLength % chunkLength != 0)
            throw new ArgumentException($"A bin of {binLength} tokens is not a whole number of chunks of {chunkLength}; give --bin a multiple of --chunk.");
        using var frozen = no_grad();
        using var state = model.NewState(1);
        using var process = Process.GetCurrentProcess();
        var watch = Stopwatch.StartNew();
        var (points, loss, count) = (new List<StreamPoint>(), 0.0, 0);
        var total = ids.Count - 1; // the last token is predicted, and not read
        for (var start = 0; start < total; start += chunkLength)
        {
            cancellation.ThrowIfCancellationRequested();
            var length = Math.Min(chunkLength, total - start);
            loss += Loss(state, ids, start, length);
            count += length;
            if (count < binLength && start + length < total)
                continue;
            process.Refresh();
            points.Add(new StreamPoint(start + length, total, loss / count, state.Tensors.Values.Sum(Bytes), process.WorkingSet64, watch.Elapsed));
            progress.Report(points[^1]);
            (loss, count) = (0, 0);
        }
        return points;
    }

    // The sum of the losses of the tokens that follow those of one call.
    private double Loss(MixerState state, IReadOnlyList<int> ids, int start, int length)
    {
        using var scope = NewDisposeScope();
        var tokens = tensor(Enumerable.Range(start, length + 1).Select(index => (long)ids[index]).ToArray());
        var logits = model.call(tokens.narrow(0, 0, length).unsqueeze(0), new SequenceContext(state)).squeeze(0).to(ScalarType.Float32); // (L, V)
        return nn.functional.cross_entropy(logits, tokens.narrow(0, 1, length), reduction: nn.Reduction.Sum).item<float>();
    }

    private static long Bytes(Tensor tensor) => tensor.numel() * tensor.element_size();
}
