using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>An embedding generator over a language model: a text's vector is made of the final hidden states of its tokens.</summary>
/// <remarks>Texts are read in batches of about the same length, on the thread pool; batches of requests in progress take turns. Cancellation is
/// observed before every batch. Sums are made in float64 over the text's own tokens, so that padding is never read.</remarks>
internal sealed class LanguageModelEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly ILanguageModel model;
    private readonly ModelTokenizer tokenizer;
    private readonly Device device;
    private readonly string modelId;
    private readonly EmbeddingPooling pooling;
    private readonly bool normalizes;
    private readonly int batchSize;
    private readonly int batchTokens;
    private readonly EmbeddingTexts texts;
    private readonly int dimensions;
    private readonly SemaphoreSlim slots; // never disposed: running requests still give theirs back
    private volatile bool isDisposed;

    internal LanguageModelEmbeddingGenerator(ILanguageModel model, ModelTokenizer tokenizer, LanguageModelEmbeddingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options.ModelId, $"{nameof(LanguageModelEmbeddingOptions)}.{nameof(options.ModelId)}");
        OptionRanges.Check(options);
        if (!Enum.IsDefined(options.Pooling))
            throw new ArgumentOutOfRangeException(nameof(options), options.Pooling, $"{nameof(LanguageModelEmbeddingOptions)}.{nameof(options.Pooling)} is {nameof(EmbeddingPooling.Mean)} or {nameof(EmbeddingPooling.LastToken)}.");
        if (tokenizer.VocabSize > model.VocabSize)
            throw new ArgumentException($"The tokenizer has {tokenizer.VocabSize} ids and the model {model.VocabSize}; they do not belong together.", nameof(tokenizer));
        if (model.Conditioning is { } conditioning)
            throw new NotSupportedException($"This model is conditioned by {conditioning.GetType().Name}, on noise levels that a text does not have; take a model without a conditioning for vectors of texts.");
        CheckMode(model);
        (this.model, this.tokenizer, device) = (model, tokenizer, PaddedRows.DeviceOf(model));
        (modelId, pooling, normalizes) = (options.ModelId, options.Pooling, options.Normalizes);
        (batchSize, batchTokens) = (options.BatchSize, options.MaxBatchTokens);
        texts = new EmbeddingTexts(model, tokenizer, options);
        dimensions = Dimensions();
        slots = new SemaphoreSlim(options.MaxParallelBatches);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata))
            return new EmbeddingGeneratorMetadata("lmkit", null, modelId, dimensions);
        return new object[] { this, model, tokenizer }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        ArgumentNullException.ThrowIfNull(values);
        Check(options);
        string[] all = [.. values];
        if (Array.IndexOf(all, null) is >= 0 and var missing)
            throw new ArgumentException($"Text {missing} is null.", nameof(values));
        var rows = await Task.Run(() => texts.Encode(all, cancellationToken), cancellationToken).ConfigureAwait(false);
        var vectors = new float[rows.Length][];
        foreach (var batch in Batches(rows))
        {
            var read = await ReadAsync([.. batch.Select(index => rows[index])], cancellationToken).ConfigureAwait(false);
            foreach (var (index, vector) in batch.Zip(read))
                vectors[index] = Finished(vector, index);
        }
        var (created, count) = (DateTimeOffset.UtcNow, rows.Sum(row => (long)row.Count));
        return new(vectors.Select(vector => new Embedding<float>(vector) { CreatedAt = created, ModelId = modelId }))
        {
            Usage = new UsageDetails { InputTokenCount = count, TotalTokenCount = count },
        };
    }

    public void Dispose() => isDisposed = true;

    private static void CheckMode(ILanguageModel model)
    {
        if (model is nn.Module { training: true })
            throw new InvalidOperationException("The model is in training mode, where dropout acts; call eval() first.");
    }

    private void Check(EmbeddingGenerationOptions? options)
    {
        if (options?.ModelId is { } asked && asked != modelId)
            throw new ArgumentException($"ModelId asks for '{asked}'; this generator serves '{modelId}' alone. Leave it out, or ask that model's generator.", nameof(options));
        if (options?.Dimensions is { } length && length != dimensions)
            throw new NotSupportedException($"Dimensions = {length}: this model's vectors have {dimensions} numbers, and it was not made for a part of them to be used alone; leave it out.");
        if (options?.AdditionalProperties is { Count: > 0 } more)
            throw new NotSupportedException($"AdditionalProperties holds {string.Join(", ", more.Keys)}, which this generator does not know; leave them out.");
        if (options?.RawRepresentationFactory?.Invoke(this) is not null)
            throw new NotSupportedException("RawRepresentationFactory gives options of a service, and this generator calls none; leave it out.");
    }

    // Texts of about the same length together, the longest first, so that what cannot be held in memory shows at once.
    private IEnumerable<IReadOnlyList<int>> Batches(IReadOnlyList<int>[] rows)
    {
        var mostPadding = device.type == DeviceType.CPU ? 32 : 4_096; // a call of its own costs about as much as so many columns
        var batch = new List<int>();
        var (width, padding) = (0, 0L);
        foreach (var index in Enumerable.Range(0, rows.Length).OrderByDescending(index => rows[index].Count))
        {
            var own = PaddedRows.Width(model, rows[index].Count);
            padding += width - own;
            if (batch.Count > 0 && (batch.Count == batchSize || (batch.Count + 1L) * width > batchTokens || padding > mostPadding))
            {
                yield return batch;
                batch = [];
            }
            if (batch.Count == 0)
                (width, padding) = (own, 0);
            batch.Add(index);
        }
        if (batch.Count > 0)
            yield return batch;
    }

    private async Task<double[][]> ReadAsync(IReadOnlyList<int>[] rows, CancellationToken cancellation)
    {
        await slots.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            cancellation.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(isDisposed, this);
            CheckMode(model);
            return await Task.Run(() => Read(rows), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _ = slots.Release();
        }
    }

    private double[][] Read(IReadOnlyList<int>[] rows)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var hidden = PaddedRows.HiddenAlike(model, device, rows); // (B, L, D)
        var pooled = rows.Select((row, index) => pooling == EmbeddingPooling.LastToken
            ? hidden[index, row.Count - 1].to(ScalarType.Float64)
            : hidden[index].narrow(0, 0, row.Count).mean([0L], type: ScalarType.Float64));
        return [.. pooled.Select(vector => vector.cpu().data<double>().ToArray())];
    }

    private float[] Finished(double[] vector, int index)
    {
        var length = Math.Sqrt(vector.Sum(number => number * number));
        if (normalizes && length == 0)
            throw new InvalidOperationException($"The vector of text {index} is zero and has no direction; set {nameof(LanguageModelEmbeddingOptions.Normalizes)} to false, or look at the model's weights.");
        float[] numbers = [.. vector.Select(number => (float)(normalizes ? number / length : number))];
        return double.IsFinite(length) && Array.TrueForAll(numbers, float.IsFinite)
            ? numbers
            : throw new InvalidOperationException($"The vector of text {index} is not finite: the model's hidden states there are not. Look for weights that are not finite, or a dtype too narrow for the model.");
    }

    // One token tells how wide hidden states are, and whether there are any.
    private int Dimensions()
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        Tensor hidden;
        try
        {
            hidden = PaddedRows.HiddenAlike(model, device, [[0]]);
        }
        catch (NotSupportedException error)
        {
            throw new NotSupportedException($"{model.GetType().Name} gives no hidden states, of which vectors of texts are made: {error.Message}", error);
        }
        return hidden.dim() == 3 && hidden.is_floating_point()
            ? (int)hidden.size(2)
            : throw new NotSupportedException($"{model.GetType().Name} gives hidden states {hidden.dtype} ({string.Join(", ", hidden.shape)}) of one token, where vectors of texts are made of floating ones (1, L, D).");
    }
}
