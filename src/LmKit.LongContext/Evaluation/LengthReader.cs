using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads texts of any length in chunks through a carried state and gives their loss by position.</summary>
/// <remarks>Beside the model, memory is that of one chunk and of the state, which a mask that forgets bounds. The chunks' length does not change the
/// result, up to the order of sums. Losses are natural logarithms, computed in float32 for a model in half precision and summed in float64.</remarks>
public static class LengthReader
{
    /// <summary>Reads texts that are token ids.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="texts">The texts, each read by itself; a list may make its tokens when they are asked for, in order.</param>
    /// <param name="options">How they are read; null for the defaults.</param>
    /// <param name="cancellation">Observed before each chunk.</param>
    /// <exception cref="ArgumentException">An option, a token or the model does not fit; names it.</exception>
    /// <exception cref="InvalidOperationException">A loss is not finite; names text and token.</exception>
    /// <exception cref="NotSupportedException">The model's angles change with the length of a text, which then takes one call:
    /// <see cref="LengthReaderOptions.ChunkLength"/> is below the text's length.</exception>
    public static LengthLosses Read(ILanguageModel model, IEnumerable<IReadOnlyList<int>> texts, LengthReaderOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new LengthReaderOptions();
        options.Check(model);
        var losses = new LengthLosses(options.Edges);
        using var frozen = no_grad();
        var first = 0;
        foreach (var batch in Batches(texts, options.BatchSize))
        {
            new Reading(model, options, losses, first, cancellation).Read(batch);
            first += batch.Count;
        }
        return losses.Longest > 1 ? losses : throw new ArgumentException($"There is no token to score: a text has at least two tokens, or one behind a {nameof(options.PrefixToken)}.", nameof(texts));
    }

    // Neighbours of one length.
    private static IEnumerable<IReadOnlyList<IReadOnlyList<int>>> Batches(IEnumerable<IReadOnlyList<int>> texts, int size)
    {
        var batch = new List<IReadOnlyList<int>>();
        foreach (var (index, text) in texts.Index())
        {
            ArgumentNullException.ThrowIfNull(text, $"{nameof(texts)}[{index}]");
            if (batch.Count == size || (batch.Count > 0 && batch[0].Count != text.Count))
            {
                yield return batch;
                batch = [];
            }
            batch.Add(text);
        }
        if (batch.Count > 0)
            yield return batch;
    }

    private sealed class Reading(ILanguageModel model, LengthReaderOptions options, LengthLosses losses, int first, CancellationToken cancellation)
    {
        private readonly Device device = PaddedRows.DeviceOf(model);

        internal void Read(IReadOnlyList<IReadOnlyList<int>> texts)
        {
            var offset = options.PrefixToken is null ? 0 : 1;
            var length = texts[0].Count + offset;
            if (length > model.ContextLength + 1)
                throw new ArgumentException($"A text has {length} tokens and the model reads {model.ContextLength}; its positions end there.", nameof(texts));
            using var state = model.NewState(texts.Count);
            losses.Note(length, 0, 0);
            // The last token predicts nothing.
            for (var start = 0; start < length - 1; start += options.ChunkLength)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var count = Math.Min(options.ChunkLength, length - 1 - start);
                var ids = new long[texts.Count * (count + 1)];
                for (var row = 0; row < texts.Count; row++)
                {
                    for (var place = 0; place <= count; place++)
                        ids[row * (count + 1) + place] = Token(texts[row], first + row, start + place - offset);
                }
                var tokens = tensor(ids, [texts.Count, count + 1]).to(device);
                var hidden = model.Hidden(tokens.narrow(1, 0, count), new SequenceContext(State: state)).flatten(0, 1); // (B L, D)
                Add(NextTokenLoss.Each(model, hidden, tokens.narrow(1, 1, count).flatten()), texts.Count, start, count);
                losses.Note(length, Bytes(state) / texts.Count, Caches(state).Sum(cache => cache.BufferBytes) / texts.Count);
            }
        }

        private long Token(IReadOnlyList<int> text, int index, int place)
        {
            if (place < 0)
                return options.PrefixToken!.Value;
            var token = text[place];
            return token >= 0 && token < model.VocabSize ? token : throw new ArgumentException($"Token {place} of text {index} is {token}, outside the vocabulary of {model.VocabSize}.");
        }

        private void Add(double[] each, int rows, int start, int count)
        {
            for (var row = 0; row < rows; row++)
            {
                for (var place = 0; place < count; place++)
                {
                    var loss = each[row * count + place];
                    if (!double.IsFinite(loss))
                        throw new InvalidOperationException($"The loss behind token {start + place} of text {first + row} is {loss}: the model's logits there are not finite. Look for weights that are not finite, or a dtype too narrow for the model.");
                    losses.Add(first + row, start + place, loss);
                }
            }
        }

        private static IEnumerable<KeyValueCache> Caches(MixerState state) => state is ModelState whole ? whole.Layers.OfType<KeyValueCache>() : [];

        private static long Bytes(MixerState state) => state.Tensors.Values.Sum(tensor => tensor.numel() * tensor.element_size());
    }
}
