using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Next-token sampling from a causal model with carried state: one prefill, then one token per row and step.</summary>
/// <remarks>Rows end on their own stop token, or where the model can read no further (<see cref="ILanguageModel.ContextLength"/>), and are
/// fed padding from then on, which changes no other row. Rows may differ in their options; rows that agree are filtered together. The model should be in evaluation mode, as a built or loaded one is. No gradient is
/// recorded. Filters and draw see logits in float32 or wider.</remarks>
public sealed partial class AutoregressiveSampler : ISampler
{
    // Dividing float32 logits by less leaves no number; what it means is the most likely token.
    private const double LeastTemperature = 1e-30;

    private static readonly string[] obeyed =
    [
        nameof(SampleOptions.Temperature), nameof(SampleOptions.TopP), nameof(SampleOptions.TopK), nameof(SampleOptions.MinP), nameof(SampleOptions.RepetitionPenalty),
        nameof(SampleOptions.FrequencyPenalty), nameof(SampleOptions.PresencePenalty), nameof(SampleOptions.StopTokens), nameof(SampleOptions.Filters), nameof(SampleRequest.Edits),
    ];

    private readonly ILanguageModel model;
    private readonly AutoregressiveSamplerOptions options;
    private readonly LogitFilter[] given;
    private readonly Draw configured;

    /// <summary>Makes a sampler over a model.</summary>
    /// <param name="model">A causal model; not disposed.</param>
    /// <param name="options">How to draw.</param>
    /// <param name="filters">Further filters, applied before the options' own.</param>
    /// <exception cref="ArgumentException">The model is not causal, is conditioned on a level, or a stop token lies outside its vocabulary.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    public AutoregressiveSampler(ILanguageModel model, AutoregressiveSamplerOptions? options = null, params IEnumerable<LogitFilter> filters)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(filters);
        if (!model.IsCausal)
            throw new ArgumentException("Next-token sampling needs a causal model; a bidirectional one is sampled as a denoiser.", nameof(model));
        if (model.Conditioning is { } conditioning)
            throw new ArgumentException($"{nameof(AutoregressiveSampler)} tells a model no {nameof(SequenceContext.Level)}, and this one is conditioned by {conditioning.GetType().Name}; sample it as a denoiser, or drop the conditioning.", nameof(model));
        this.model = model;
        this.options = (options ?? new AutoregressiveSamplerOptions()).Checked(model.VocabSize);
        given = [.. filters];
        if (given.Contains(null))
            throw new ArgumentException($"Filter {Array.IndexOf(given, null)} is null.", nameof(filters));
        configured = DrawOf(this.options, []);
    }

    /// <inheritdoc/>
    public bool IsAppendOnly => true;

    /// <inheritdoc/>
    public IReadOnlyList<long> StopTokens => options.StopTokens;

    /// <inheritdoc/>
    /// <remarks>Obeys every option of <see cref="SampleOptions"/>.</remarks>
    /// <exception cref="ArgumentException">The prompt is not (B, L) int64, or a row has no token or more than the model can read; or an option
    /// is out of its range.</exception>
    /// <exception cref="NotFiniteLogitsException">While enumerating: a row's logits are NaN or infinite, or all forbidden.</exception>
    public IEnumerable<Tensor> Sample(SampleRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(request.Prompt);
        ArgumentOutOfRangeException.ThrowIfNegative(request.Length);
        var budgets = Budgets(request.Prompt);
        request.Check(this, obeyed);
        request.Edits?.Check(model);
        return Run(request, new Plan(this, request, budgets));
    }

    // How many tokens each row can still be given after its prompt: the last one is drawn from what was read before it.
    private long[]? Budgets(Tensor prompt)
    {
        var lengths = CheckPrompt(prompt, model.VocabSize);
        if (model.ContextLength is not { } longest)
            return null;
        var row = Array.FindIndex(lengths, length => length > longest);
        return row < 0
            ? [.. lengths.Select(length => longest - length + 1)]
            : throw new ArgumentException($"Row {row} of the prompt has {lengths[row]} tokens; this model reads {longest} at most. Shorten the text.", nameof(prompt));
    }

    private IEnumerable<Tensor> Run(SampleRequest request, Plan plan)
    {
        var (prompt, length) = (request.Prompt, request.Length);
        TensorCheck.CheckAlive(prompt, nameof(prompt), nameof(AutoregressiveSampler)); // before anything is made
        using var generators = RowGenerators.Of(request);
        var state = model.NewState(prompt.size(0));
        using var stops = plan.Stops(prompt.device);
        var grid = prompt.clone().DetachFromDisposeScope();
        var fresh = grid.alias().DetachFromDisposeScope(); // the columns that the model has not taken in yet
        try
        {
            if (length == 0)
                yield return grid.alias().DetachFromDisposeScope();
            for (var step = 0L; step < length; step++)
            {
                var (next, isOver) = Step(fresh, grid, prompt.size(1), ref state, generators, plan, stops);
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
            state.Dispose();
        }
    }

    private (Tensor Next, bool IsOver) Step(Tensor fresh, Tensor grid, long promptLength, ref MixerState state, RowGenerators generators, Plan plan, Tensor? stops)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var count = grid.size(1) - promptLength;
        var isFull = plan.Full(count, grid.device);
        if (isFull is not null)
            fresh = fresh.masked_fill(isFull, -1L);
        var last = Read(fresh, grid, ref state, plan.Edits); // (B, D)
        var logits = plan.Filter(HalfPrecision.Widen(model.Logits(last)), grid, promptLength); // (B, V)
        var isLast = plan.EndsAfter(count + 1);
        if (stops is null && isFull is null)
        {
            NotFiniteLogitsException.Check(logits);
            return (plan.Next(logits, generators).DetachFromDisposeScope(), isLast);
        }
        var ended = Ended(grid, promptLength, isFull, stops);
        if (ended.any().ToBoolean())
            logits = logits.masked_fill(ended, 0.0); // what stands there is nobody's
        NotFiniteLogitsException.Check(logits);
        var drawn = plan.Next(logits, generators).masked_fill(ended, -1L);
        var willEnd = ended;
        if (stops is not null)
            willEnd = willEnd.logical_or(IsStop(drawn, stops));
        if (plan.Full(count + 1, grid.device) is { } next)
            willEnd = willEnd.logical_or(next);
        return (drawn.DetachFromDisposeScope(), isLast || willEnd.all().ToBoolean());
    }

    // The hidden states (B, D) behind the last columns. Where a text outgrows what a state can carry (angles that depend on the length), the
    // tokens are read again from the start, into a new state.
    private Tensor Read(Tensor fresh, Tensor grid, ref MixerState state, HookEdits? edits)
    {
        try
        {
            return Read(fresh, state, edits);
        }
        catch (StateBorderException) when (fresh.size(1) < grid.size(1))
        {
            state.Dispose();
            state = model.NewState(grid.size(0));
            return Read(grid, state, edits);
        }
    }

    private Tensor Read(Tensor tokens, MixerState state, HookEdits? edits)
    {
        var isPadding = tokens.lt(0);
        var segments = isPadding.any().ToBoolean() ? where(isPadding, -1L, 0L) : null;
        var hidden = model.Hidden(tokens.clamp(min: 0), new SequenceContext(state, segments) { Edits = edits });
        return hidden.narrow(1, hidden.size(1) - 1, 1).squeeze(1);
    }

    // (B, 1): rows that are over before this step.
    private static Tensor Ended(Tensor grid, long promptLength, Tensor? isFull, Tensor? stops)
    {
        var none = isFull ?? zeros(grid.size(0), 1, dtype: ScalarType.Bool, device: grid.device);
        if (grid.size(1) == promptLength)
            return none;
        var last = grid.narrow(1, grid.size(1) - 1, 1);
        none = none.logical_or(last.lt(0));
        return stops is null ? none : none.logical_or(IsStop(last, stops));
    }

    // Of tokens (B, 1), whether each is among its row's stops (B or 1, S).
    private static Tensor IsStop(Tensor tokens, Tensor stops) => tokens.eq(stops).any(1, keepdim: true);

    private Draw DrawOf(AutoregressiveSamplerOptions changed, IReadOnlyList<LogitFilter> further) =>
        new([.. given, .. further, .. Filters(changed)], changed.Temperature < LeastTemperature);

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

    // The number of tokens of each row.
    private static long[] CheckPrompt(Tensor prompt, long vocabSize)
    {
        TensorCheck.CheckAlive(prompt, nameof(prompt), nameof(AutoregressiveSampler));
        if (prompt.dtype != ScalarType.Int64 || prompt.dim() != 2 || prompt.size(0) == 0)
            throw new ArgumentException($"A prompt is int64 of shape (B, L); got {prompt.dtype} ({string.Join(", ", prompt.shape)}).", nameof(prompt));
        var ids = HostValues.Read(prompt);
        var length = (int)prompt.size(1);
        var counts = new long[prompt.size(0)];
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
            counts[row] = length - start;
        }
        return counts;
    }
}
