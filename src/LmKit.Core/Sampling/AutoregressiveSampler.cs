using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Next-token sampling from a causal model with carried state: one prefill, then one token per row and step.</summary>
/// <remarks>Rows end on their own stop token and are fed padding from then on, which changes no other row. The model should be in
/// evaluation mode, as a built or loaded one is. No gradient is recorded. Filters and draw see logits in float32 or wider.</remarks>
public sealed class AutoregressiveSampler : ISampler
{
    private readonly ILanguageModel model;
    private readonly List<LogitFilter> filters = [];
    private readonly long[] stopTokens;
    private readonly bool isGreedy;

    /// <summary>Makes a sampler over a model.</summary>
    /// <param name="model">A causal model; not disposed.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="filters">Further filters, applied before the options' own.</param>
    /// <exception cref="ArgumentException">The model is not causal, or a stop token lies outside its vocabulary.</exception>
    public AutoregressiveSampler(ILanguageModel model, AutoregressiveSamplerOptions? options = null, params IEnumerable<LogitFilter> filters)
    {
        ArgumentNullException.ThrowIfNull(model);
        options ??= new AutoregressiveSamplerOptions();
        if (!model.IsCausal)
            throw new ArgumentException("Next-token sampling needs a causal model; a bidirectional one is sampled as a denoiser.", nameof(model));
        foreach (var stop in options.StopTokens)
        {
            if (stop < 0 || stop >= model.VocabSize)
                throw new ArgumentException($"stop_tokens holds {stop}, outside the vocabulary of {model.VocabSize}.", nameof(options));
        }
        this.model = model;
        stopTokens = options.StopTokens;
        isGreedy = options.Temperature == 0;
        this.filters.AddRange(filters);
        this.filters.AddRange(Filters(options));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The prompt is not (B, L) int64, or a row has no token.</exception>
    /// <exception cref="NotFiniteLogitsException">While enumerating: a row's logits are NaN or infinite, or all forbidden.</exception>
    public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        CheckPrompt(prompt, model.VocabSize);
        return Run(prompt, length, random);
    }

    private IEnumerable<Tensor> Run(Tensor prompt, long length, Generator? random)
    {
        using var state = model.NewState(prompt.size(0));
        using var ownRandom = random is null ? new Generator((ulong)System.Random.Shared.NextInt64()) : null;
        var source = random ?? ownRandom!;
        var grid = prompt.clone().DetachFromDisposeScope();
        var fresh = grid.alias().DetachFromDisposeScope(); // the columns that the model has not taken in yet
        try
        {
            if (length == 0)
                yield return grid.alias().DetachFromDisposeScope();
            for (var step = 0L; step < length; step++)
            {
                var (next, isOver) = Step(fresh, grid, prompt.size(1), state, source);
                using (var old = grid)
                {
                    fresh.Dispose();
                    fresh = next;
                    grid = cat([old, next], 1).DetachFromDisposeScope();
                }
                yield return grid.alias().DetachFromDisposeScope();
                if (isOver)
                    break;
            }
        }
        finally
        {
            fresh.Dispose();
            grid.Dispose();
        }
    }

    private (Tensor Next, bool IsOver) Step(Tensor fresh, Tensor grid, long promptLength, MixerState state, Generator random)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var isPadding = fresh.lt(0);
        var segments = isPadding.any().ToBoolean() ? where(isPadding, -1L, 0L) : null;
        var hidden = model.Hidden(fresh.clamp(min: 0), new SequenceContext(state, segments));
        var last = hidden.narrow(1, hidden.size(1) - 1, 1).squeeze(1); // (B, D)
        var logits = HalfPrecision.Widen(model.Logits(last)); // (B, V)
        foreach (var filter in filters)
            logits = filter(logits, grid, promptLength);
        NotFiniteLogitsException.Check(logits);
        var drawn = isGreedy ? logits.argmax(-1, keepdim: true) : Draw(logits, random); // (B, 1)
        if (stopTokens.Length == 0)
            return (drawn.DetachFromDisposeScope(), false);
        var ended = Ended(grid, promptLength);
        drawn = drawn.masked_fill(ended, -1L);
        var isOver = ended.logical_or(IsStop(drawn)).all().ToBoolean();
        return (drawn.DetachFromDisposeScope(), isOver);
    }

    private Tensor Ended(Tensor grid, long promptLength)
    {
        if (grid.size(1) == promptLength)
            return zeros(grid.size(0), 1, dtype: ScalarType.Bool, device: grid.device);
        var last = grid.narrow(1, grid.size(1) - 1, 1);
        return last.lt(0).logical_or(IsStop(last)); // (B, 1)
    }

    private Tensor IsStop(Tensor tokens)
    {
        var isStop = zeros_like(tokens, ScalarType.Bool);
        foreach (var stop in stopTokens)
            isStop = isStop.logical_or(tokens.eq(stop));
        return isStop;
    }

    private static Tensor Draw(Tensor logits, Generator random) =>
        HalfPrecision.Widen(logits).softmax(-1).cpu().multinomial(1, true, random).to(logits.device);

    private static IEnumerable<LogitFilter> Filters(AutoregressiveSamplerOptions options)
    {
        if (options.RepetitionPenalty != 1)
            yield return LmKit.RepetitionPenalty.Filter(options.RepetitionPenalty);
        if (options.FrequencyPenalty != 0 || options.PresencePenalty != 0)
            yield return LmKit.RepetitionPenalty.Filter(options.FrequencyPenalty, options.PresencePenalty);
        if (options.Temperature is not (0 or 1))
            yield return LmKit.Temperature.Filter(options.Temperature);
        if (options.TopK > 0)
            yield return LmKit.TopK.Filter(options.TopK);
        if (options.TopP < 1)
            yield return LmKit.TopP.Filter(options.TopP);
        if (options.MinP > 0)
            yield return LmKit.MinP.Filter(options.MinP);
    }

    private static void CheckPrompt(Tensor prompt, long vocabSize)
    {
        if (prompt.dtype != ScalarType.Int64 || prompt.dim() != 2 || prompt.size(0) == 0)
            throw new ArgumentException($"A prompt is int64 of shape (B, L); got {prompt.dtype} ({string.Join(", ", prompt.shape)}).", nameof(prompt));
        var ids = HostValues.Read(prompt);
        var length = (int)prompt.size(1);
        for (var row = 0; row < prompt.size(0); row++)
        {
            var tokens = ids.AsSpan(row * length, length);
            var start = tokens.IndexOfAnyExcept(-1L);
            if (start < 0)
                throw new ArgumentException($"Row {row} of the prompt has no token.", nameof(prompt));
            for (var column = start; column < length; column++)
            {
                if (tokens[column] < 0 || tokens[column] >= vocabSize)
                    throw new ArgumentException($"The prompt's row {row}, column {column} holds {tokens[column]}; after the padding (-1, on the left) come token ids below {vocabSize}.", nameof(prompt));
            }
            if (tokens[..start].ContainsAnyExcept(-1L))
                throw new ArgumentException($"Row {row} of the prompt is padded with something else than -1.", nameof(prompt));
        }
    }
}
