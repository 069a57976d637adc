using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the samplers of masked diffusion share: the grid of times, prompts and fixed positions, padding, streaming, accounting.</summary>
/// <remarks>
/// <para>In a prompt, an entry equal to the mask id is free and every other entry is fixed; positions beyond it are free. Each grid
/// (B, L + length) that is yielded may still hold the mask id, the last one only with <see cref="NoiseRemoval.None"/>.</para>
/// <para>Row i's sample depends on the generator's seed and on i only. Rows padded on the left are denoised without their padding,
/// one call for each amount of it. Enumerations may run side by side while nobody trains the network; no gradient is recorded.</para>
/// </remarks>
public abstract class DiffusionSampler : ISampler
{
    /// <summary>Prepares a sampler.</summary>
    /// <param name="denoiser">The network; not disposed.</param>
    /// <param name="schedule">The schedule it was trained on; null for the log-linear one.</param>
    /// <param name="options">How to walk.</param>
    /// <exception cref="ArgumentException">The schedule contradicts itself (<see cref="NoiseSchedule.Check"/>), or the mask lies outside the
    /// vocabulary.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    protected DiffusionSampler(IDenoiser denoiser, NoiseSchedule? schedule, DiffusionSamplerOptions options)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(options);
        OptionsJson.Validate(options, "$.sampler");
        MaskingProcess.CheckMaskId(denoiser.MaskId, denoiser.VocabSize);
        Denoiser = denoiser;
        Schedule = schedule ?? new LogLinearSchedule();
        Schedule.Check();
        if (denoiser.IsTimeConditioned && denoiser.Scale == LevelScale.Time)
            Schedule.CheckStart("the change of variables");
        Options = options;
    }

    /// <summary>The network.</summary>
    protected IDenoiser Denoiser { get; }

    /// <summary>The schedule.</summary>
    protected NoiseSchedule Schedule { get; }

    /// <summary>How it walks.</summary>
    protected DiffusionSamplerOptions Options { get; }

    /// <summary>Token id of the mask.</summary>
    protected long MaskId => Denoiser.MaskId;

    /// <inheritdoc/>
    public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null) => Sample(prompt, length, random, new CallLedger());

    /// <summary>The same, counting what it costs.</summary>
    /// <param name="prompt">(B, L) int64: fixed tokens, the mask id where free, -1 for padding on the left.</param>
    /// <param name="length">Columns to add.</param>
    /// <param name="random">Source of randomness; null draws a fresh seed.</param>
    /// <param name="ledger">Counts the calls as they are made.</param>
    /// <exception cref="ArgumentException">The prompt is not (B, L) int64 of known tokens with its padding on the left.</exception>
    /// <exception cref="NotFiniteLogitsException">While enumerating: the network's output for a row is not finite.</exception>
    public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random, CallLedger ledger)
    {
        DiffusionPrompt.Check(prompt, length, Denoiser.VocabSize);
        ArgumentNullException.ThrowIfNull(ledger);
        return Enumerate();

        IEnumerable<Tensor> Enumerate()
        {
            var seed = Seed(random);
            using var rows = new RowUniforms(prompt.size(0), seed, Options.UsesSingleUniforms);
            foreach (var grid in Walk(prompt, length, rows.Next, rows, ledger))
                yield return grid;
        }
    }

    /// <summary>Samples with uniforms of the caller's, for exact comparisons.</summary>
    /// <param name="prompt">As above.</param>
    /// <param name="length">Columns to add.</param>
    /// <param name="uniforms">Where uniforms come from.</param>
    /// <param name="ledger">Counts the calls, or null.</param>
    public IEnumerable<Tensor> Replay(Tensor prompt, long length, UniformSource uniforms, CallLedger? ledger = null)
    {
        DiffusionPrompt.Check(prompt, length, Denoiser.VocabSize);
        ArgumentNullException.ThrowIfNull(uniforms);
        return Walk(prompt, length, uniforms, null, ledger ?? new CallLedger());
    }

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
        var logProbabilities = DenoiseRows(tokens, masked.Index, Options.EndTime); // (R, V)
        return masked.Fill(Options.NoiseRemoval == NoiseRemoval.Greedy
            ? logProbabilities.argmax(-1)
            : walk.Draw(masked, logProbabilities.exp(), tokens.size(0), tokens.size(1)));
    }

    /// <summary>Time of a grid point: step 0 begins at 1, step N ends at the end time.</summary>
    protected double Time(int stepIndex) => 1 - stepIndex * (1 - Options.EndTime) / Options.StepCount;

    /// <summary>Log-probabilities (B, L, V) at a time, after temperature and top-p; counts nothing.</summary>
    protected Tensor Denoise(Tensor tokens, double time)
    {
        using var scope = NewDisposeScope();
        return DiffusionTruncation.Apply(Call(tokens, time), Options.Temperature, Options.TopP).MoveToOuterDisposeScope();
    }

    /// <summary>The same (R, V) at masked positions alone; a denoiser that can split pays for the vocabulary there only.</summary>
    /// <param name="tokens">The grid (B, L).</param>
    /// <param name="index">Places (R) in the flattened grid, of masked positions.</param>
    /// <param name="time">The time.</param>
    private protected Tensor DenoiseRows(Tensor tokens, Tensor index, double time)
    {
        using var scope = NewDisposeScope();
        return DiffusionTruncation.Apply(Rows(), Options.Temperature, Options.TopP).MoveToOuterDisposeScope();

        Tensor Rows()
        {
            if (Denoiser is not ISplitDenoiser split || tokens.lt(0).any().ToBoolean())
                return Call(tokens, time).flatten(0, 1).index_select(0, index);
            var hidden = split.Hidden(tokens, full(tokens.size(0), Level(time), ScalarType.Float64, tokens.device)).flatten(0, 1);
            if (index.size(0) == 0)
                return zeros([0, Denoiser.VocabSize], HalfPrecision.Wide(hidden.dtype), hidden.device);
            var rows = HalfPrecision.Widen(split.LogProbabilities(hidden.index_select(0, index)));
            NotFiniteLogitsException.Check(rows, index.div(tokens.size(1), RoundingMode.floor));
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

    /// <summary>Untouched log-probabilities (B, L, V) at a time, in float32 or wider; padding is left out of the call and is zero in the
    /// result.</summary>
    /// <exception cref="NotFiniteLogitsException">A row's are not finite.</exception>
    protected Tensor Call(Tensor tokens, double time)
    {
        using var scope = NewDisposeScope();
        var result = HalfPrecision.Widen(Ask(tokens, Level(time)));
        NotFiniteLogitsException.Check(result);
        return result.MoveToOuterDisposeScope();
    }

    private Tensor Ask(Tensor tokens, double level)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        var padding = DiffusionPrompt.Padding(tokens);
        if (padding.All(count => count == 0))
            return Denoiser.call(tokens, full(tokens.size(0), level, ScalarType.Float64, tokens.device));
        Tensor? joined = null;
        foreach (var group in padding.Select((count, row) => (count, row)).GroupBy(pair => pair.count))
        {
            var rows = tensor(group.Select(pair => (long)pair.row).ToArray(), device: tokens.device);
            var part = tokens.index_select(0, rows).narrow(1, group.Key, tokens.size(1) - group.Key);
            var result = Denoiser.call(part, full(rows.size(0), level, ScalarType.Float64, tokens.device));
            joined ??= zeros([tokens.size(0), tokens.size(1), result.size(-1)], result.dtype, result.device);
            joined.narrow(1, group.Key, tokens.size(1) - group.Key).index_copy_(0, rows, result);
        }
        return joined!;
    }

    private IEnumerable<Tensor> Walk(Tensor prompt, long length, UniformSource uniforms, RowUniforms? rows, CallLedger ledger)
    {
        var (tokens, isFixed) = DiffusionPrompt.Start(prompt, length, MaskId);
        using var walk = new DiffusionWalk(isFixed, uniforms, rows, ledger);
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

    private static long Seed(Generator? random)
    {
        if (random is null)
            return Random.Shared.NextInt64();
        using var drawn = randint(0, long.MaxValue, [1], dtype: ScalarType.Int64, generator: random);
        return drawn.item<long>();
    }
}
