namespace LmKit;

/// <summary>Says what fails when a model reads beyond its trained length: distances it has not seen, more tokens attended to than ever, or starting
/// tokens that are missing (Han et al. 2024, section 3).</summary>
/// <remarks>The same texts are read under five policies (<see cref="LengthPolicy"/>), over the model's own tensors and without a change to it. Two policies
/// that differ in one thing tell what that thing costs. Memory is that of a chunk and of the state, which grows with the length where a policy forgets nothing.</remarks>
public static class LengthDiagnosis
{
    /// <summary>Diagnoses a model.</summary>
    /// <param name="model">The model, in evaluation mode; nothing of it is changed, and nobody may change it meanwhile.</param>
    /// <param name="texts">Token ids; at least one text is longer than twice the trained length.</param>
    /// <param name="trainedLength">Tokens T of the texts that the model was trained on.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="cancellation">Observed before each chunk.</param>
    /// <exception cref="ArgumentException">An option, a text or the model does not fit; names it.</exception>
    /// <exception cref="NotSupportedException">A mask of the model attends in a way of its own, whose scores cannot be read; names it.</exception>
    /// <exception cref="InvalidOperationException">A loss or a score of attention is not finite; names the policy.</exception>
    public static LengthDiagnosisResult Run(LanguageModel model, IEnumerable<IReadOnlyList<int>> texts, long trainedLength, LengthDiagnosisOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentOutOfRangeException.ThrowIfLessThan(trainedLength, 2);
        options ??= new LengthDiagnosisOptions();
        OptionRanges.Check(options);
        var lambda = options.Lambda(trainedLength);
        IReadOnlyList<int>[] all = [.. texts];
        var longest = all.Length == 0 ? 0 : all.Max(text => text.Count) + (options.PrefixToken is null ? 0 : 1);
        if (longest <= 2 * trainedLength)
            throw new ArgumentException($"The longest text has {longest} tokens, and nothing can be said beyond the trained length {trainedLength} by texts of less than twice that.", nameof(texts));
        var layers = LengthPolicies.Layers(model);
        var reading = new LengthReaderOptions { ChunkLength = options.ChunkLength, BatchSize = options.BatchSize, PrefixToken = options.PrefixToken, Edges = Edges(trainedLength, longest) };
        PolicyReading[] readings = [.. Enum.GetValues<LengthPolicy>().Select(policy => Read(model, all, policy, lambda, layers, reading, options.ReadsAttention, cancellation))];
        return new LengthDiagnosisResult(trainedLength, lambda, options.Margin, reading.Edges, readings);
    }

    // The last bucket holds at least half of the positions that it would hold if the text went on.
    private static IReadOnlyList<long> Edges(long trainedLength, long length) => LengthReaderOptions.Doubling(trainedLength, (length - 1) * 2 / 3 + 1);

    private static PolicyReading Read(LanguageModel model, IReadOnlyList<int>[] texts, LengthPolicy policy, LambdaMaskOptions lambda, int[] layers, LengthReaderOptions options, bool readsAttention, CancellationToken cancellation)
    {
        using var changed = ModelChange.Beside(model, LengthPolicies.Change(policy, lambda, layers));
        using var watch = readsAttention ? new AttentionWatch(changed, options.Edges, lambda.GlobalLength) : null;
        try
        {
            var losses = LengthReader.Read(changed, texts, options, cancellation);
            return new PolicyReading(policy, losses, watch?.Figures ?? []);
        }
        catch (InvalidOperationException error) when (error is not ObjectDisposedException)
        {
            throw new InvalidOperationException($"{policy}: {error.Message}", error);
        }
    }
}
