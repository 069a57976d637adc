using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the samplers of masked diffusion share: the grid of times, prompts and fixed positions, padding, streaming, accounting.</summary>
/// <remarks>
/// <para>In a prompt, an entry equal to the mask id is free and every other entry is fixed; positions beyond it are free. Each grid
/// (B, L + length) that is yielded may still hold the mask id, the last one only with <see cref="NoiseRemoval.None"/>.</para>
/// <para>Rows padded on the left are walked without their padding, side by side with those of other lengths: one call for each amount of it.
/// Enumerations may run side by side while nobody trains the network; no gradient is recorded.</para>
/// </remarks>
public abstract class DiffusionSampler : ISampler
{
    /// <summary>Prepares a sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
    /// <param name="options">How to walk.</param>
    /// <exception cref="ArgumentException">The schedule contradicts itself (<see cref="NoiseSchedule.Check"/>), the mask lies outside the
    /// vocabulary or is another than the options', or the denoiser carries edits of its own.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    protected DiffusionSampler(IDenoiser denoiser, NoiseSchedule? schedule, DiffusionSamplerOptions options)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(options);
        OptionsJson.Validate(options, "$.sampler");
        MaskingProcess.CheckMaskId(denoiser.MaskId, denoiser.VocabSize);
        if (options.MaskId is { } maskId && maskId != denoiser.MaskId)
            throw new ArgumentException($"{options.GetType().Name}.{nameof(options.MaskId)} = {maskId} is not the mask of the {denoiser.GetType().Name}, {denoiser.MaskId}; leave it out, or make the denoiser with it.", nameof(options));
        if (denoiser is LanguageModelDenoiser { IsEdited: true })
            throw new ArgumentException($"The {denoiser.GetType().Name} carries edits, which are of rows that a sampler regroups; give it without them, and the edits to the request ({nameof(SampleRequest)}.{nameof(SampleRequest.Edits)}).", nameof(denoiser));
        Denoiser = denoiser;
        Schedule = schedule ?? new LogLinearSchedule();
        Schedule.Check();
        if (denoiser.IsTimeConditioned && denoiser.Scale == LevelScale.Time)
            Schedule.CheckStart("the change of variables");
        Options = options.Copy();
    }

    /// <summary>The network.</summary>
    protected IDenoiser Denoiser { get; }

    /// <summary>The schedule.</summary>
    protected NoiseSchedule Schedule { get; }

    /// <summary>How it walks; a copy, which later changes of what was given do not reach.</summary>
    protected DiffusionSamplerOptions Options { get; }

    /// <summary>Token id of the mask.</summary>
    protected long MaskId => Denoiser.MaskId;

    /// <summary>Names of the options of a request that it obeys; it refuses the others.</summary>
    private protected virtual IEnumerable<string> Obeyed => [nameof(SampleOptions.Temperature), nameof(SampleOptions.TopP), nameof(SampleRequest.Edits)];

    /// <inheritdoc/>
    /// <remarks>Obeys temperature, top-p (<see cref="DiffusionSamplerOptions.TopP"/> says how) and edits.</remarks>
    public IEnumerable<Tensor> Sample(SampleRequest request) => Sample(request, new CallLedger());

    /// <summary>The same, counting what it costs.</summary>
    /// <param name="request">Its prompt holds fixed tokens, the mask id where free, -1 for padding on the left.</param>
    /// <param name="ledger">Counts the calls as they are made.</param>
    /// <exception cref="ArgumentException">The prompt is not (B, L) int64 of known tokens with its padding on the left, or a row would have more columns
    /// than the model can read.</exception>
    /// <exception cref="NotSupportedException">A row asks for an option that it does not obey; names both.</exception>
    /// <exception cref="NotFiniteLogitsException">While enumerating: the network's output for a row is not finite.</exception>
    public IEnumerable<Tensor> Sample(SampleRequest request, CallLedger ledger)
    {
        ArgumentNullException.ThrowIfNull(request);
        DiffusionPrompt.Check(request.Prompt, request.Length, Denoiser.VocabSize);
        ArgumentNullException.ThrowIfNull(ledger);
        request.Check(this, Obeyed);
        CheckReach(request);
        if (request.Edits is { IsEmpty: false })
            _ = Denoiser.Edited(request.Edits); // refuses what has no place
        return Enumerate();

        IEnumerable<Tensor> Enumerate()
        {
            using var generators = RowGenerators.Of(request);
            foreach (var grid in DiffusionPrompt.WithoutPadding(request.Prompt, Part))
                yield return grid;

            IEnumerable<Tensor> Part(Tensor prompt, int[] rows)
            {
                var uniforms = new RowUniforms(generators.Some(rows), Options.UsesSingleUniforms);
                return Walk(prompt, request.Length, isFixed => new DiffusionWalk(isFixed, uniforms.Next, uniforms, ledger)
                {
                    Edited = request.Edits?.Some(rows) is { IsEmpty: false } edits ? Denoiser.Edited(edits) : null,
                    BatchRows = rows.Length == generators.Count ? null : rows,
                    Draws = new RowTruncation([.. rows.Select(row => Wanted(request.OptionsOf(row)))]),
                });
            }
        }
    }

    /// <summary>Samples with uniforms of the caller's, for exact comparisons.</summary>
    /// <param name="prompt">As above, without padding.</param>
    /// <param name="length">Columns to add.</param>
    /// <param name="uniforms">Where uniforms come from.</param>
    /// <param name="ledger">Counts the calls, or null.</param>
    /// <exception cref="ArgumentException">The prompt is not (B, L) int64 of known tokens, or holds padding.</exception>
    public IEnumerable<Tensor> Replay(Tensor prompt, long length, UniformSource uniforms, CallLedger? ledger = null)
    {
        DiffusionPrompt.Check(prompt, length, Denoiser.VocabSize);
        ArgumentNullException.ThrowIfNull(uniforms);
        if (DiffusionPrompt.Padding(prompt).Any(count => count > 0))
            throw new ArgumentException("A replay takes rows of one length; replay rows of other lengths apart instead of padding them (-1).", nameof(prompt));
        return Walk(prompt, length, isFixed => new DiffusionWalk(isFixed, uniforms, null, ledger ?? new CallLedger()) { Draws = new RowTruncation([Wanted(null)]) });
    }

    /// <summary>Columns of a row that the network sees at once.</summary>
    private protected virtual long Seen(long columns) => columns;

    private void CheckReach(SampleRequest request)
    {
        if ((Denoiser as LanguageModelDenoiser)?.ContextLength is not { } longest)
            return;
        var lengths = DiffusionPrompt.Padding(request.Prompt).Select(count => request.Prompt.size(1) - count).ToArray();
        if (Array.FindIndex(lengths, length => Seen(length + request.Length) > longest) is >= 0 and var row)
            throw new ArgumentException($"Row {row} of the prompt has {lengths[row]} tokens, and {request.Length} are to be added; this model reads {longest} at most. Shorten the text, or ask for fewer.", nameof(request));
    }

    private (double Temperature, double TopP) Wanted(SampleOptions? options) =>
        (Math.Max(DiffusionTruncation.LeastTemperature, options?.Temperature ?? Options.Temperature), options?.TopP ?? Options.TopP);

    /// <summary>Takes one step and returns the next grid (B, L), fixed positions unchanged.</summary>
    /// <param name="walk">The run.</param>
    /// <param name="tokens">The grid.</param>
    /// <param name="stepIndex">Index from 0.</param>
    protected abstract Tensor Advance(DiffusionWalk walk, Tensor tokens, int stepIndex);

    /// <summary>Fills what is still masked after the last step.</summary>
    protected virtual Tensor Finish(DiffusionWalk walk, Tensor tokens)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        if (Options.NoiseRemoval == NoiseRemoval.None)
            return tokens.alias();
        walk.Ledger.NoiseRemovalForwards++;
        var masked = MaskedPositions.Of(tokens, MaskId);
        var logProbabilities = DenoiseRows(walk, tokens, masked.Index, Options.EndTime); // (R, V)
        return masked.Fill(Options.NoiseRemoval == NoiseRemoval.Greedy
            ? logProbabilities.argmax(-1)
            : walk.Draw(masked, logProbabilities.exp(), tokens.size(0), tokens.size(1)));
    }

    /// <summary>Time of a grid point: step 0 begins at 1, step N ends at the end time.</summary>
    protected double Time(int stepIndex) => 1 - stepIndex * (1 - Options.EndTime) / Options.StepCount;

    /// <summary>Log-probabilities (B, L, V) at a time, after each row's temperature and top-p; counts nothing.</summary>
    protected Tensor Denoise(DiffusionWalk walk, Tensor tokens, double time)
    {
        ArgumentNullException.ThrowIfNull(walk);
        using var scope = NewDisposeScope();
        return walk.Draws.Apply(Call(walk, tokens, time)).MoveToOuterDisposeScope();
    }

    /// <summary>The same (R, V) at masked positions alone; a denoiser that can split pays for the vocabulary there only.</summary>
    /// <param name="walk">The run.</param>
    /// <param name="tokens">The grid (B, L), or its first row where that holds for all.</param>
    /// <param name="index">Places (R) in the flattened grid, of masked positions.</param>
    /// <param name="time">The time.</param>
    private protected Tensor DenoiseRows(DiffusionWalk walk, Tensor tokens, Tensor index, double time)
    {
        using var scope = NewDisposeScope();
        return walk.Draws.Apply(Rows(), () => index.div(tokens.size(1), RoundingMode.floor)).MoveToOuterDisposeScope();

        Tensor Rows()
        {
            if ((walk.Edited ?? Denoiser) is not ISplitDenoiser split)
                return Call(walk, tokens, time).flatten(0, 1).index_select(0, index);
            var hidden = split.Hidden(tokens, full(tokens.size(0), Level(time), ScalarType.Float64, tokens.device)).flatten(0, 1);
            if (index.size(0) == 0)
                return zeros([0, Denoiser.VocabSize], HalfPrecision.Wide(hidden.dtype), hidden.device);
            var rows = HalfPrecision.Widen(split.LogProbabilities(hidden.index_select(0, index)));
            NotFiniteLogitsException.Check(rows, walk.InBatch(index.div(tokens.size(1), RoundingMode.floor)));
            return rows;
        }
    }

    /// <summary>One ancestral step of masked positions from their log-probabilities (R, V): the next grid.</summary>
    private protected Tensor Reveal(DiffusionWalk walk, Tensor tokens, MaskedPositions masked, Tensor logProbabilities, double cleanBefore, double cleanAfter)
    {
        using var scope = NewDisposeScope();
        var weights = DiffusionSteps.Ancestral(logProbabilities.unsqueeze(0), Scalar(cleanBefore), Scalar(cleanAfter), MaskId).squeeze(0); // (R, V)
        return masked.Fill(walk.Draw(masked, weights, tokens.size(0), tokens.size(1))).MoveToOuterDisposeScope();
    }

    /// <summary>A number as (1, 1) float64, the form the step functions take.</summary>
    protected static Tensor Scalar(double value) => tensor([value], [1, 1], dtype: ScalarType.Float64);

    /// <summary>What the network is told at a time, on its own scale.</summary>
    protected double Level(double time) => Schedule.Level(time, Denoiser.Scale);

    /// <summary>Untouched log-probabilities (B, L, V) at a time, in float32 or wider.</summary>
    /// <exception cref="NotFiniteLogitsException">A row's are not finite.</exception>
    protected Tensor Call(DiffusionWalk walk, Tensor tokens, double time)
    {
        ArgumentNullException.ThrowIfNull(walk);
        ArgumentNullException.ThrowIfNull(tokens);
        using var scope = NewDisposeScope();
        var result = HalfPrecision.Widen((walk.Edited ?? Denoiser).call(tokens, full(tokens.size(0), Level(time), ScalarType.Float64, tokens.device)));
        NotFiniteLogitsException.Check(result, walk.InBatch());
        return result.MoveToOuterDisposeScope();
    }

    private IEnumerable<Tensor> Walk(Tensor prompt, long length, Func<Tensor, DiffusionWalk> begin)
    {
        var (tokens, isFixed) = DiffusionPrompt.Start(prompt, length, MaskId);
        using var walk = begin(isFixed);
        try
        {
            if (IsComplete(tokens))
            {
                yield return tokens.alias().DetachFromDisposeScope();
                yield break;
            }
            for (var step = 0; step < StepCount(walk, tokens); step++)
            {
                if (Options.StopsWhenComplete && MayStop && IsComplete(tokens))
                    break;
                Move(step, (grid, at) => Advance(walk, grid, at));
                yield return tokens.alias().DetachFromDisposeScope();
            }
            if (!Options.StopsWhenComplete || !IsComplete(tokens))
            {
                Move(0, (grid, _) => Finish(walk, grid));
                yield return tokens.alias().DetachFromDisposeScope();
            }
        }
        finally
        {
            tokens.Dispose();
        }

        void Move(int step, Func<Tensor, int, Tensor> next)
        {
            using var frozen = no_grad();
            using var scope = NewDisposeScope();
            var old = tokens;
            tokens = next(old, step).DetachFromDisposeScope();
            old.Dispose();
        }
    }

    /// <summary>Whether a complete grid stays as it is.</summary>
    protected virtual bool MayStop => true;

    /// <summary>Steps of a run.</summary>
    protected virtual int StepCount(DiffusionWalk walk, Tensor tokens) => Options.StepCount;

    private bool IsComplete(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return !tokens.eq(MaskId).any().ToBoolean();
    }
}
