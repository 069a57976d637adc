using static TorchSharp.torch;

namespace LmKit;

/// <summary>Chooses window, starting tokens and ceiling of a Lambda mask for a model, by its loss on held-out texts and under a budget of memory.</summary>
/// <remarks>First windows and starting tokens at D = L, then other ceilings at the best of those. Nothing is drawn: the same model, texts and options give the
/// same choice. The model is not changed.</remarks>
public static class LambdaTuner
{
    /// <summary>Chooses.</summary>
    /// <param name="model">The model, in evaluation mode; nobody may change it meanwhile.</param>
    /// <param name="texts">Held-out token ids; at least one text is longer than twice the trained length.</param>
    /// <param name="trainedLength">Tokens T of the texts that the model was trained on; no window is longer.</param>
    /// <param name="memoryBudget">Bytes of keys and values that a sequence may take in all attention layers, spare slots included.</param>
    /// <param name="options">What is tried; null for the defaults.</param>
    /// <param name="cancellation">Observed before each chunk.</param>
    /// <exception cref="ArgumentException">An option, a text or the model does not fit, or nothing fits the budget; names it.</exception>
    /// <exception cref="InvalidOperationException">A loss is not finite.</exception>
    public static LambdaTuning Run(LanguageModel model, IEnumerable<IReadOnlyList<int>> texts, long trainedLength, long memoryBudget, LambdaTunerOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThan(trainedLength, 2);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(memoryBudget);
        options ??= new LambdaTunerOptions();
        options.Check();
        IReadOnlyList<int>[] all = [.. texts];
        if (all.Length == 0 || all.Max(text => text.Count) <= 2 * trainedLength)
            throw new ArgumentException($"The longest text has {(all.Length == 0 ? 0 : all.Max(text => text.Count))} tokens; a mask is chosen by what is read beyond the trained length {trainedLength}, by texts of more than twice that.", nameof(texts));
        var trying = new Trying(model, all, trainedLength, memoryBudget, options, cancellation);
        foreach (var starts in options.GlobalLengths.Distinct())
        {
            foreach (var window in options.WindowShares.Select(share => Math.Max(1, (long)(share * trying.LongestWindow(starts)))).Distinct())
                trying.Try(window, starts, window);
        }
        var best = trying.Best();
        if (best.GlobalLength > 0) // without starting tokens nothing is seen at the ceiling
        {
            foreach (var ceiling in new[] { best.LocalLength - 1, best.LocalLength / 2, trainedLength - 1 }.Where(ceiling => ceiling > 0 && ceiling != best.LocalLength).Distinct())
                trying.Try(best.LocalLength, best.GlobalLength, ceiling);
        }
        return new LambdaTuning(trying.Best(), trying.Trials, memoryBudget);
    }

    private sealed class Trying
    {
        private readonly LanguageModel model;
        private readonly IReadOnlyList<int>[] texts;
        private readonly long trainedLength;
        private readonly long budget;
        private readonly LambdaTunerOptions options;
        private readonly CancellationToken cancellation;
        private readonly int[] layers;
        private readonly long keyBytes; // of one key and value in all layers that get the mask
        private readonly List<LambdaTrial> trials = [];

        internal Trying(LanguageModel model, IReadOnlyList<int>[] texts, long trainedLength, long budget, LambdaTunerOptions options, CancellationToken cancellation)
        {
            (this.model, this.texts, this.trainedLength, this.budget, this.options, this.cancellation) = (model, texts, trainedLength, budget, options, cancellation);
            layers = LengthPolicies.Layers(model);
            using var frozen = no_grad();
            using var scope = NewDisposeScope();
            using var state = (ModelState)model.NewState(1);
            model.Hidden(zeros([1, 1], ScalarType.Int64, PaddedRows.DeviceOf(model)), new SequenceContext(State: state)).Dispose();
            keyBytes = layers.Select(layer => state.Layers[layer]).OfType<KeyValueCache>().Sum(cache => cache.BufferBytes / cache.Capacity);
        }

        internal IReadOnlyList<LambdaTrial> Trials => trials;

        /// <summary>The longest window whose keys and values fit the budget, of at most the trained length; 0 where none does.</summary>
        internal long LongestWindow(long starts)
        {
            var (fits, over) = (0L, trainedLength + 1);
            while (over - fits > 1)
            {
                var middle = (fits + over) / 2;
                (fits, over) = Bytes(middle, starts) <= budget ? (middle, over) : (fits, middle);
            }
            return fits;
        }

        internal void Try(long window, long starts, long ceiling)
        {
            if (Bytes(window, starts) > budget)
                return;
            using var changed = ModelChange.Beside(model, builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (window, starts, ceiling), layers));
            var losses = LengthReader.Read(changed, texts, new LengthReaderOptions { ChunkLength = options.ChunkLength, BatchSize = options.BatchSize, PrefixToken = options.PrefixToken, Edges = [trainedLength] }, cancellation);
            var bytes = Math.Max(losses.CacheBytes, Bytes(window, starts));
            trials.Add(new LambdaTrial(window, starts, ceiling, losses.LossFrom(trainedLength), bytes, bytes <= budget));
        }

        internal LambdaTrial Best()
        {
            if (trials.Where(trial => trial.Fits).OrderBy(trial => trial.Loss.Value).ThenBy(trial => trial.Bytes).FirstOrDefault() is { } best)
                return best;
            var least = trials.Count > 0 ? trials.Min(trial => trial.Bytes) : options.GlobalLengths.Min(starts => Bytes(1, starts));
            throw new ArgumentException($"memoryBudget = {budget}: the least that was tried takes {least} bytes of keys and values for a sequence that is read {options.ChunkLength} tokens a call ({nameof(LambdaTunerOptions)}.{nameof(options.ChunkLength)}); allow more memory, or shorter calls.");
        }

        private long Bytes(long window, long starts) => CacheRoom.Slots(window, starts, options.ChunkLength, cancellation) * keyBytes;
    }
}

/// <summary>How much room a cache makes under a Lambda mask, found by filling one of a single head one number wide.</summary>
internal static class CacheRoom
{
    private const int Spare = 64; // tokens more than fill it, so that it has dropped some

    /// <summary>The most keys that the buffers have room for between calls.</summary>
    internal static long Slots(long window, long starts, int chunk, CancellationToken cancellation)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(new LambdaMask(new LambdaMaskOptions { LocalLength = window, GlobalLength = starts }), null, 1, 1, 1);
        var numbers = zeros(1, chunk, 1, 1);
        long most = 0;
        for (long read = 0; read < 2 * (window + starts + chunk + Spare); read += chunk)
        {
            cancellation.ThrowIfCancellationRequested();
            using var call = NewDisposeScope();
            _ = cache.Extend(numbers, numbers, numbers, null);
            cache.Trim();
            most = Math.Max(most, cache.Capacity);
        }
        return most;
    }
}
