using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Training of a denoiser by the bound, for <see cref="Trainer"/>: masked diffusion's counterpart of next-token training.</summary>
/// <remarks>Losses are per token of the batch, masked or not, as published. Evaluation (<see cref="HeldOutBound"/>) draws from a seed of its own, whatever
/// the task's is, so that two evaluations compare the model and not the noise.</remarks>
public sealed class DenoisingTask : ILossTask, IDisposable
{
    private const string Noise = "noise_random";
    private const string Dropout = "dropout_random";
    private const string Place = "place";

    private readonly IDenoiser denoiser;
    private readonly Func<Tensor> next;
    private readonly RandomWindows? windows;
    private readonly Func<IEnumerable<Tensor>>? heldOut;
    private readonly TimeSampling times;
    private readonly HeldOutBoundOptions? evaluation;
    private readonly Generator random;
    private readonly Generator? dropout;
    private readonly ulong seed;
    private readonly Lazy<RunIdentity> data;

    private DenoisingTask(nn.Module model, IDenoiser denoiser, Func<Tensor> next, RandomWindows? windows, Func<IEnumerable<Tensor>>? heldOut, TimeSampling? times, HeldOutBoundOptions? evaluation, ulong seed, Func<RunIdentity, RunIdentity> describe)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(denoiser);
        Model = model;
        this.denoiser = denoiser;
        this.next = next;
        this.windows = windows;
        this.heldOut = heldOut;
        this.times = times ?? new TimeSampling(new LogLinearSchedule());
        this.evaluation = evaluation;
        OptionsJson.Validate(evaluation ?? new HeldOutBoundOptions(), "$.held_out");
        NegativeElbo.CheckScale(denoiser, this.times.Scale);
        random = new Generator(seed);
        this.seed = seed;
        data = new(() => describe(new RunIdentity("task", "denoising")));
        dropout = (model as LanguageModel)?.Random;
    }

    /// <inheritdoc/>
    public nn.Module Model { get; }

    /// <summary>Trains on windows of a token data set.</summary>
    /// <param name="model">The module to train.</param>
    /// <param name="denoiser">The same module as denoiser.</param>
    /// <param name="data">What it learns; not disposed.</param>
    /// <param name="length">Tokens L of a window.</param>
    /// <param name="batchSize">Windows B of a micro-batch.</param>
    /// <param name="seed">Seed of the windows' order and of the noise.</param>
    /// <param name="times">How noise times are drawn; null for the log-linear schedule's plain bound.</param>
    /// <param name="heldOut">What it is evaluated on, or null; not disposed.</param>
    /// <param name="evaluation">How the bound is measured there.</param>
    /// <exception cref="ArgumentException">The data's ids reach the mask id or beyond the vocabulary.</exception>
    public static DenoisingTask OnWindows(nn.Module model, IDenoiser denoiser, TokenDataset data, long length, long batchSize, ulong seed, TimeSampling? times = null, TokenDataset? heldOut = null, HeldOutBoundOptions? evaluation = null)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(data);
        foreach (var set in new[] { data, heldOut }.OfType<TokenDataset>().Where(set => set.VocabSize > denoiser.VocabSize))
            throw new ArgumentException($"{set.FilePath} was made with {set.VocabSize} token ids; the denoiser knows {denoiser.VocabSize}, its mask among them.", nameof(data));
        var windows = new RandomWindows(data, length, batchSize, (long)seed);
        return new DenoisingTask(model, denoiser, windows.Next, windows, heldOut is null ? null : () => EvaluationWindows.Read(heldOut, length, batchSize), times, evaluation, seed, identity => identity.AddData(data).Add("window_length", length).Add("batch_size", batchSize));
    }

    /// <summary>Trains on batches that a function makes from the task's own generator.</summary>
    /// <param name="model">The module to train.</param>
    /// <param name="denoiser">The same module as denoiser.</param>
    /// <param name="batch">Makes the next clean tokens (B, L) int64, which the task disposes. It is asked a few times more, with a generator of
    /// its own, when a checkpoint is written or read: what it draws there tells one data from another.</param>
    /// <param name="seed">Seed of the batches and of the noise.</param>
    /// <param name="times">How noise times are drawn.</param>
    /// <param name="heldOut">Makes the batches of an evaluation, or null.</param>
    /// <param name="evaluation">How the bound is measured there.</param>
    public static DenoisingTask OnBatches(nn.Module model, IDenoiser denoiser, Func<Generator, Tensor> batch, ulong seed, TimeSampling? times = null, Func<IEnumerable<Tensor>>? heldOut = null, HeldOutBoundOptions? evaluation = null)
    {
        ArgumentNullException.ThrowIfNull(batch);
        DenoisingTask? task = null;
        task = new DenoisingTask(model, denoiser, () => batch(task!.random), null, heldOut, times, evaluation, seed, identity => identity.AddRows("data_key", batch));
        return task;
    }

    /// <inheritdoc/>
    public TrainingLoss NextLoss()
    {
        using var tokens = next();
        return Loss(tokens, random);
    }

    /// <inheritdoc/>
    public bool CanEvaluate => heldOut is not null;

    /// <inheritdoc/>
    public RunIdentity Identity()
    {
        var identity = new RunIdentity("task", "denoising").AddAll(data.Value).Add("seed", seed).Add("mask_id", denoiser.MaskId).Add("vocab_size", denoiser.VocabSize);
        times.Describe(identity);
        return identity.Add("is_time_conditioned", denoiser.IsTimeConditioned);
    }

    /// <inheritdoc/>
    public Estimate? Evaluate() => heldOut is null ? null : HeldOutBound.Measure(denoiser, heldOut(), times, evaluation, Model.parameters().First().device);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress()
    {
        var progress = new Dictionary<string, Tensor> { [Noise] = random.get_state() };
        if (dropout is not null)
            progress[Dropout] = dropout.get_state();
        if (windows is not null)
            progress[Place] = windows.Place();
        return progress;
    }

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        windows?.CheckPlace(progress[Place]);
        random.set_state(progress[Noise]);
        dropout?.set_state(progress[Dropout]);
        windows?.Seek(progress[Place]);
    }

    /// <summary>Frees the generator.</summary>
    public void Dispose() => random.Dispose();

    private TrainingLoss Loss(Tensor tokens, Generator source)
    {
        using var scope = NewDisposeScope();
        using var levels = times.Draw(tokens.size(0), source);
        var uniforms = rand(tokens.shape, ScalarType.Float64, generator: source);
        var device = Model.parameters().First().device;
        var loss = NegativeElbo.Of(denoiser, tokens.to(device), levels, uniforms.to(device));
        return loss with { Sum = loss.Sum.MoveToOuterDisposeScope() };
    }
}
