using System.Diagnostics.Metrics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains a sparse autoencoder on batches of activations: loss, clipping, decoder constraint, Adam, dead features.</summary>
/// <remarks>
/// <para>Owns neither the autoencoder nor the batches. Single-threaded; the state that <see cref="Save"/> writes makes a run that is
/// resumed with the batches that were left repeat the uninterrupted one. The place in a store that the trainer was given is saved
/// too; the place in other batches is the caller's: <see cref="Step"/> of <see cref="ActivationEpochs"/>.</para>
/// <para>Parameters of bfloat16 are trained through float32 copies; float16 is refused.</para>
/// <para>The meter <c>LmKit.Interp</c> records each step's loss as <c>lmkit.interp.training.loss</c>.</para>
/// </remarks>
public sealed class SparseAutoencoderTrainer : IDisposable
{
    private const string HeaderEntry = "lmkit.run";
    private const string ModelPrefix = "model.";
    private const string MastersPrefix = "masters.";
    private static readonly Meter Meter = new("LmKit.Interp");
    private static readonly Histogram<double> Losses = Meter.CreateHistogram<double>("lmkit.interp.training.loss", "1", "Loss of each optimizer step of an autoencoder.");

    private readonly SparseAutoencoder autoencoder;
    private readonly SparseAutoencoderTrainingOptions options;
    private readonly AutoencoderOptimizer optimizer;
    private readonly FeatureActivity activity;
    private readonly FeatureActivity window;
    private readonly Generator random;
    private readonly double sparsity;
    private readonly ActivationStore? store;

    /// <summary>Prepares a run; move the autoencoder to its device first.</summary>
    /// <param name="autoencoder">What is trained.</param>
    /// <param name="options">How.</param>
    /// <param name="store">The store that all batches come from, whose identity and position are saved and restored; null when they come
    /// from elsewhere. Not disposed.</param>
    /// <exception cref="ConfigurationException">An option is out of range, or a parameter is of float16.</exception>
    public SparseAutoencoderTrainer(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options, ActivationStore? store = null)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        ArgumentNullException.ThrowIfNull(options);
        OptionsJson.Validate(options, "$.training");
        this.store = store;
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
    /// <param name="activations">The batch, converted to the autoencoder's type; not disposed.</param>
    /// <param name="gradients">A task metric's gradients, for attribution terms.</param>
    /// <exception cref="ArgumentException">The batch has no rows, another width or values that are not finite.</exception>
    /// <exception cref="TrainingDivergedException">The loss or gradient is not finite; the weights are as before.</exception>
    public AutoencoderStep Advance(Tensor activations, Tensor? gradients = null)
    {
        TensorCheck.CheckAlive(activations, nameof(activations), nameof(SparseAutoencoderTrainer));
        if (gradients is not null)
            TensorCheck.CheckAlive(gradients, nameof(gradients), nameof(SparseAutoencoderTrainer));
        if (activations.dim() != 2 || activations.size(0) == 0)
            throw new ArgumentException($"A batch is rows of activations, (B, {autoencoder.ModelDim}) with B at least 1; this one is ({string.Join(", ", activations.shape)}).", nameof(activations));
        try
        {
            return AdvanceBy(activations, gradients);
        }
        finally
        {
            autoencoder.Options.SparsityCoefficient = sparsity;
            autoencoder.eval();
        }
    }

    private AutoencoderStep AdvanceBy(Tensor activations, Tensor? gradients)
    {
        using var scope = NewDisposeScope();
        using var recorded = GradientMode.Record();
        autoencoder.train();
        autoencoder.Options.SparsityCoefficient = sparsity * SparsityShare();
        var rate = options.LearningRate * DictionarySchedule.Share(Step, options.Steps, options.WarmupSteps, (long)(options.DecayShare * options.Steps));
        optimizer.Begin();
        activations = activations.to(autoencoder.DecoderWeight.dtype); // stores serve float32
        var pass = autoencoder.RunToTrain(activations);
        var (fired, active) = CodeActivity.Of(pass);
        activity.Count(fired);
        window.Count(fired);
        var dead = Dead();
        var loss = autoencoder.Loss(pass, dead, gradients?.to(activations.dtype));
        var value = loss.Total.to(ScalarType.Float64).item<double>();
        if (!double.IsFinite(value))
            throw new TrainingDivergedException(Step + 1, "loss", null);
        loss.Total.Backward();
        if (!double.IsFinite(optimizer.Apply(rate)))
            throw new TrainingDivergedException(Step + 1, "gradient", null);
        autoencoder.UpdateThreshold(pass.Codes);
        Step++;
        autoencoder.Options.SparsityCoefficient = sparsity;
        if (options.ResampleInterval > 0 && Step % options.ResampleInterval == 0)
            Resample(activations);
        Losses.Record(value);
        return new AutoencoderStep(
            Step,
            value,
            loss.Terms.ToDictionary(term => term.Key, term => term.Value.to(ScalarType.Float64).item<double>()),
            active,
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

    /// <summary>Writes everything a resumed run needs into one file, in one step.</summary>
    /// <exception cref="TrainingDivergedException">A weight or moment is not finite; a file that is there stays.</exception>
    public void Save(string path)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var tensors = State();
        if (ModuleTensors.FirstNotFinite(tensors) is { } name)
            throw new TrainingDivergedException(Step, $"'{name}'", File.Exists(path) ? path : null);
        var header = new RunHeader(Step, 0, Identity(), new Dictionary<string, long>(), new Dictionary<string, string> { ["state"] = ContentHash.Of(tensors) });
        SafetensorsWriter.Save(path, tensors, new Dictionary<string, string> { [HeaderEntry] = header.ToJson() });
    }

    /// <summary>Goes on from a file that <see cref="Save"/> wrote.</summary>
    /// <remarks>Everything is checked before anything is changed.</remarks>
    /// <exception cref="CheckpointMismatchException">It is of another autoencoder, recipe, store or version of LmKit.</exception>
    /// <exception cref="CheckpointException">It is damaged or holds a value that is not finite; names the tensor.</exception>
    public void Resume(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (header, saved) = Read(path);
        var prefixed = (string prefix) => saved.Where(pair => pair.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value);
        CheckpointLoader.Load(autoencoder, prefixed(ModelPrefix));
        optimizer.Restore(saved, prefixed(MastersPrefix));
        activity.Silence.copy_(saved["silence"]);
        window.Silence.copy_(saved["window"]);
        random.set_state(saved["random"]);
        if (store is not null)
            store.Position = saved["position"].item<long>();
        Step = header.Step;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        optimizer.Dispose();
        activity.Dispose();
        window.Dispose();
        random.Dispose();
    }

    private (RunHeader Header, Dictionary<string, Tensor> Tensors) Read(string path)
    {
        Dictionary<string, Tensor> saved;
        string? json;
        try
        {
            using var reader = new SafetensorsReader(path);
            saved = reader.ReadAll();
            json = reader.Metadata.GetValueOrDefault(HeaderEntry);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, (error as SafetensorsException)?.TensorName, $"the file cannot be read: {error.Message}", error);
        }
        if (json is null)
            throw new CheckpointMismatchException(path, [], [], [], [], [new TensorMismatch("format", $"a file of {nameof(SparseAutoencoderTrainer)} with its header '{HeaderEntry}' (those of earlier versions cannot be resumed)", "none")]);
        var header = RunHeader.Parse(path, System.Text.Encoding.UTF8.GetBytes(json));
        Identity().Check(path, header.Identity);
        if (!header.Hashes.TryGetValue("state", out var hash) || header.Hashes.Count > 1)
            throw new CheckpointException(path, null, $"the header's parts are {string.Join(", ", header.Hashes.Keys)}, not state.");
        if (options.DecayShare > 0 && header.Step > options.Steps)
            throw new CheckpointException(path, null, $"'step' is {header.Step}; this run ends at {options.Steps}.");
        RunCheckpoints.CheckContent(path, saved, hash);
        CheckpointLoader.Check(path, State(), saved);
        foreach (var (name, value) in saved)
        {
            if ((name == "position" || name.StartsWith("steps.", StringComparison.Ordinal)) && value.item<long>() is var number && number < 0)
                throw new CheckpointException(path, name, $"it is {number}; it counts up from 0.");
        }
        return (header, saved);
    }

    private Dictionary<string, Tensor> State()
    {
        var tensors = optimizer.State();
        foreach (var (name, value) in autoencoder.state_dict())
            tensors[ModelPrefix + name] = value;
        foreach (var (name, value) in optimizer.Masters)
            tensors[MastersPrefix + name] = value;
        tensors["silence"] = activity.Silence;
        tensors["window"] = window.Silence;
        tensors["random"] = random.get_state();
        if (store is not null)
            tensors["position"] = tensor(store.Position);
        return tensors;
    }

    private RunIdentity Identity() => new RunIdentity("trainer", nameof(SparseAutoencoderTrainer))
        .AddModule(autoencoder, "dictionary")
        .AddOptions(autoencoder.Options, "dictionary.")
        .AddOptions(options, except: options.Unread())
        .Add("store_key", store?.Key());

    private double SparsityShare() => options.SparsityWarmupSteps > 0 ? Math.Min(1, (double)Step / options.SparsityWarmupSteps) : 1;

    private void Resample(Tensor activations)
    {
        var silent = window.Dead(options.ResampleInterval);
        FeatureResampling.Apply(autoencoder, optimizer, activations, silent, random);
        window.Silence.zero_();
    }
}

/// <summary>What one training step of an autoencoder came to.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Loss">The loss.</param>
/// <param name="Terms">Its terms, weights included.</param>
/// <param name="ActiveCount">Codes above 0 in a row, on average (L0).</param>
/// <param name="DeadCount">Dead features.</param>
/// <param name="LearningRate">The rate used.</param>
public sealed record AutoencoderStep(long Step, double Loss, IReadOnlyDictionary<string, double> Terms, double ActiveCount, long DeadCount, double LearningRate);
