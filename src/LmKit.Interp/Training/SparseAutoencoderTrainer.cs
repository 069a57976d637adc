using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains a sparse autoencoder on batches of activations: loss, clipping, decoder constraint, Adam, dead features.</summary>
/// <remarks>Owns neither the autoencoder nor the batches. Single-threaded; the state that <see cref="Save"/> writes makes a run that is
/// resumed with the batches that were left repeat the uninterrupted one; the place in them is the caller's: <see cref="Step"/> of
/// <see cref="ActivationEpochs"/>, or <see cref="ActivationStore.Position"/>.</remarks>
public sealed class SparseAutoencoderTrainer : IDisposable
{
    private readonly SparseAutoencoder autoencoder;
    private readonly SparseAutoencoderTrainingOptions options;
    private readonly AutoencoderOptimizer optimizer;
    private readonly FeatureActivity activity;
    private readonly FeatureActivity window;
    private readonly Generator random;
    private readonly double sparsity;

    /// <summary>Prepares a run; move the autoencoder to its device first.</summary>
    public SparseAutoencoderTrainer(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(options);
        this.autoencoder = autoencoder;
        this.options = options;
        sparsity = autoencoder.Options.SparsityCoefficient;
        optimizer = new AutoencoderOptimizer(autoencoder, options);
        activity = new FeatureActivity(autoencoder.FeatureCount, autoencoder.DecoderWeight.device);
        window = new FeatureActivity(autoencoder.FeatureCount, autoencoder.DecoderWeight.device);
        random = new Generator((ulong)options.Seed);
    }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Features that have been silent for the horizon (F, bool); the caller disposes it.</summary>
    public Tensor Dead() => activity.Dead(options.DeadHorizon);

    /// <summary>Trains one step on a batch (B, D).</summary>
    /// <param name="activations">The batch; not disposed.</param>
    /// <param name="gradients">A task metric's gradients, for attribution terms.</param>
    /// <exception cref="TrainingDivergedException">The loss or gradient is not finite.</exception>
    public AutoencoderStep Advance(Tensor activations, Tensor? gradients = null)
    {
        using var scope = NewDisposeScope();
        autoencoder.train();
        autoencoder.Options.SparsityCoefficient = sparsity * SparsityShare();
        var rate = options.LearningRate * DictionarySchedule.Share(Step, options.Steps, options.WarmupSteps, (long)(options.DecayShare * options.Steps));
        autoencoder.zero_grad();
        var pass = autoencoder.Run(activations);
        activity.Update(pass.Codes);
        window.Update(pass.Codes);
        var dead = Dead();
        var loss = autoencoder.Loss(pass, dead, gradients);
        var value = loss.Total.to(ScalarType.Float64).item<double>();
        if (!double.IsFinite(value))
            throw new TrainingDivergedException(Step + 1, "loss", null);
        loss.Total.backward();
        KernelFunction.ThrowIfFailed();
        if (!double.IsFinite(optimizer.Apply(rate)))
            throw new TrainingDivergedException(Step + 1, "gradient", null);
        autoencoder.UpdateThreshold(pass.Codes);
        Step++;
        autoencoder.Options.SparsityCoefficient = sparsity;
        if (options.ResampleInterval > 0 && Step % options.ResampleInterval == 0)
            Resample(activations);
        autoencoder.eval();
        return new AutoencoderStep(
            Step,
            value,
            loss.Terms.ToDictionary(term => term.Key, term => term.Value.to(ScalarType.Float64).item<double>()),
            pass.Codes.gt(0).sum(1).to(ScalarType.Float64).mean().item<double>(),
            dead.sum().item<long>(),
            rate);
    }

    /// <summary>Trains on batches until they end or all steps are done; a finished run takes none.</summary>
    /// <param name="batches">Batches (B, D); each is disposed after its step.</param>
    /// <param name="progress">Told of every step, on this thread.</param>
    /// <param name="cancellation">Observed between steps.</param>
    public void Run(IEnumerable<Tensor> batches, IProgress<AutoencoderStep>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        if (Step >= options.Steps)
            return;
        foreach (var batch in batches)
        {
            using var rows = batch;
            cancellation.ThrowIfCancellationRequested();
            var done = Advance(rows);
            progress?.Report(done);
            if (Step >= options.Steps)
                return;
        }
    }

    /// <summary>Trains on batches that arrive in their own time, such as those of another model's runs.</summary>
    /// <inheritdoc cref="Run"/>
    public async Task RunAsync(IAsyncEnumerable<Tensor> batches, IProgress<AutoencoderStep>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(batches);
        if (Step >= options.Steps)
            return;
        await foreach (var batch in batches.WithCancellation(cancellation).ConfigureAwait(false))
        {
            using var rows = batch;
            cancellation.ThrowIfCancellationRequested();
            var done = Advance(rows);
            progress?.Report(done);
            if (Step >= options.Steps)
                return;
        }
    }

    /// <summary>Writes everything a resumed run needs into one file.</summary>
    public void Save(string path)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var tensors = optimizer.State();
        foreach (var (name, value) in autoencoder.state_dict())
            tensors[$"model.{name}"] = value;
        tensors["silence"] = activity.Silence;
        tensors["window"] = window.Silence;
        tensors["random"] = random.get_state();
        tensors["step"] = tensor(Step);
        SafetensorsWriter.Save(path, tensors);
    }

    /// <summary>Goes on from a file that <see cref="Save"/> wrote.</summary>
    /// <exception cref="CheckpointMismatchException">It is of another autoencoder.</exception>
    public void Resume(string path)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var reader = new SafetensorsReader(path);
        var saved = reader.ReadAll();
        CheckpointLoader.Load(autoencoder, saved.Where(pair => pair.Key.StartsWith("model.", StringComparison.Ordinal)).ToDictionary(pair => pair.Key["model.".Length..], pair => pair.Value));
        optimizer.Restore(saved);
        activity.Silence.copy_(saved["silence"]);
        window.Silence.copy_(saved["window"]);
        random.set_state(saved["random"]);
        Step = saved["step"].item<long>();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimizer.Dispose();
        activity.Dispose();
        window.Dispose();
        random.Dispose();
    }

    private double SparsityShare() => options.SparsityWarmupSteps > 0 ? Math.Min(1, (double)Step / options.SparsityWarmupSteps) : 1;

    private void Resample(Tensor activations)
    {
        var silent = window.Dead(options.ResampleInterval);
        FeatureResampling.Apply(autoencoder, optimizer, activations, silent, random);
        window.Silence.zero_();
    }
}
