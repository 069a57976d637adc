using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains a sparse autoencoder on batches of activations, for <see cref="Trainer"/>: loss, decoder constraint, Adam, dead features.</summary>
/// <remarks>
/// <para>Rate, clipping, moments and the number of steps are those of <see cref="AutoencoderTaskOptions"/>. A step reports each term of the
/// loss by its name (<see cref="AutoencoderLoss"/>), <c>active_count</c> (codes above 0 in a row, on average) and <c>dead_count</c>.</para>
/// <para>Does not own the autoencoder. Parameters of bfloat16 are trained through float32 copies; float16 is refused.</para>
/// </remarks>
public sealed class AutoencoderTask : ITrainingTask, IDisposable
{
    private const string Silence = "silence";
    private const string Window = "window";
    private const string Random = "random";
    private const string Place = "place";

    private readonly SparseAutoencoder autoencoder;
    private readonly AutoencoderTaskOptions options;
    private readonly AutoencoderBatches batches;
    private readonly Func<RunIdentity, RunIdentity> describe;
    private readonly Learner learner;
    private readonly FeatureActivity activity;
    private readonly FeatureActivity window;
    private readonly Generator random;
    private readonly double sparsity;
    private AutoencoderOptimizer? optimizer; // the trainer's

    private AutoencoderTask(SparseAutoencoder autoencoder, AutoencoderBatches batches, AutoencoderTaskOptions? options, Func<RunIdentity, RunIdentity>? describe = null)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        this.autoencoder = autoencoder;
        this.batches = batches;
        this.options = options ?? new AutoencoderTaskOptions();
        this.describe = describe ?? (identity => identity);
        OptionsJson.Validate(this.options, "$.training");
        learner = new Learner("dictionary", autoencoder)
        {
            LearningRate = this.options.LearningRate,
            Schedule = this.options.Share,
            Optimizer = () => optimizer = new AutoencoderOptimizer(autoencoder, this.options),
        };
        sparsity = autoencoder.Options.SparsityCoefficient;
        activity = new FeatureActivity(autoencoder.FeatureCount, autoencoder.DecoderWeight.device);
        window = new FeatureActivity(autoencoder.FeatureCount, autoencoder.DecoderWeight.device);
        random = new Generator((ulong)this.options.Seed);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Learner> Learners => [learner];

    /// <inheritdoc/>
    public long? Steps => options.Steps;

    /// <summary>Trains on the rows of a store, from its position on; checkpoints hold the position and what store it is.</summary>
    /// <param name="autoencoder">What is trained; on its device already.</param>
    /// <param name="store">The store; not disposed.</param>
    /// <param name="batchSize">Rows B of a step.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static AutoencoderTask OnStore(SparseAutoencoder autoencoder, ActivationStore store, long batchSize, AutoencoderTaskOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        return new(autoencoder, AutoencoderBatches.OfStore(store, batchSize), options, identity => identity.Add("store_key", store.Key()).Add("batch_size", batchSize));
    }

    /// <summary>Trains on batches until they end or all steps are done.</summary>
    /// <remarks>A run that is resumed passes over as many batches as it had taken, so it is given the same batches as the run that it continues, from
    /// the first one on.</remarks>
    /// <param name="autoencoder">What is trained; on its device already.</param>
    /// <param name="batches">Batches (B, D), converted to the autoencoder's type; each is disposed after its step.</param>
    /// <param name="options">How; <see cref="AutoencoderTaskOptions.DataId"/> names the batches, so that others are refused.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static AutoencoderTask OnBatches(SparseAutoencoder autoencoder, IEnumerable<Tensor> batches, AutoencoderTaskOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return new(autoencoder, AutoencoderBatches.Of(batches), options);
    }

    /// <summary>Trains on batches that arrive in their own time, such as those of another model's runs.</summary>
    /// <inheritdoc cref="OnBatches(SparseAutoencoder, IEnumerable{Tensor}, AutoencoderTaskOptions?)"/>
    public static AutoencoderTask OnBatches(SparseAutoencoder autoencoder, IAsyncEnumerable<Tensor> batches, AutoencoderTaskOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(batches);
        return new(autoencoder, AutoencoderBatches.Of(batches), options);
    }

    /// <summary>Trains on batches that may have a metric's gradients, which attribution terms need, and that begin where they are asked to.</summary>
    /// <param name="autoencoder">What is trained; on its device already.</param>
    /// <param name="batchesFrom">Makes the batches after a number of them, 0 at a run's start and those taken where it is resumed: activations (B, D)
    /// and the metric's gradients at them (B, D) or null. Both are disposed after their step.</param>
    /// <param name="options">How; <see cref="AutoencoderTaskOptions.DataId"/> names the batches, so that others are refused.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static AutoencoderTask OnBatches(SparseAutoencoder autoencoder, Func<long, IAsyncEnumerable<(Tensor Activations, Tensor? Gradients)>> batchesFrom, AutoencoderTaskOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(batchesFrom);
        return new(autoencoder, AutoencoderBatches.From(batchesFrom), options);
    }

    /// <summary>Features that have been silent for the horizon (F, bool); the caller disposes it.</summary>
    public Tensor Dead() => activity.Dead(options.DeadHorizon);

    /// <inheritdoc/>
    public ValueTask<bool> NextAsync(CancellationToken cancellation) => batches.NextAsync(cancellation);

    /// <summary>Learns from the batch that <see cref="NextAsync"/> has made ready.</summary>
    /// <exception cref="ArgumentException">The batch has no rows, another width or values that are not finite.</exception>
    public void Learn(TrainingTurn turn)
    {
        ArgumentNullException.ThrowIfNull(turn);
        var (activations, gradients) = batches.Take();
        try
        {
            Check(activations, gradients);
            Learn(turn, activations.to(autoencoder.DecoderWeight.dtype), gradients); // stores serve float32
        }
        finally
        {
            autoencoder.Options.SparsityCoefficient = sparsity;
            activations?.Dispose();
            gradients?.Dispose();
        }
    }

    /// <inheritdoc/>
    public RunIdentity Identity() => describe(new RunIdentity("task", "autoencoder")
        .AddOptions(autoencoder.Options, "dictionary.")
        .AddOptions(options, "training.", options.NotCompared()));

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>
    {
        [Silence] = activity.Silence,
        [Window] = window.Silence,
        [Random] = random.get_state(),
        [Place] = tensor(batches.Place),
    };

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        var place = progress[Place].item<long>();
        foreach (var (name, least) in new[] { (Place, place), (Silence, Least(progress[Silence])), (Window, Least(progress[Window])) })
        {
            if (least < 0)
                throw new CheckpointMismatchException("The checkpoint's progress", [], [], [], [], [new TensorMismatch(name, "counts from 0 on", $"{least}")]);
        }
        random.set_state(progress[Random]);
        activity.Silence.copy_(progress[Silence]);
        window.Silence.copy_(progress[Window]);
        batches.Place = place;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        batches.Dispose();
        activity.Dispose();
        window.Dispose();
        random.Dispose();
    }

    private static long Least(Tensor counts) => counts.min().item<long>();

    private void Check(Tensor activations, Tensor? gradients)
    {
        TensorCheck.CheckAlive(activations, nameof(activations), nameof(AutoencoderTask));
        if (gradients is not null)
            TensorCheck.CheckAlive(gradients, nameof(gradients), nameof(AutoencoderTask));
        if (activations.dim() != 2 || activations.size(0) == 0)
            throw new ArgumentException($"A batch is rows of activations, (B, {autoencoder.ModelDim}) with B at least 1; this one is ({string.Join(", ", activations.shape)}).");
    }

    private void Learn(TrainingTurn turn, Tensor activations, Tensor? gradients)
    {
        autoencoder.Options.SparsityCoefficient = sparsity * options.SparsityShare(turn.Step);
        var pass = autoencoder.RunToTrain(activations);
        var (fired, active) = CodeActivity.Of(pass);
        activity.Count(fired);
        window.Count(fired);
        var dead = Dead();
        var loss = autoencoder.Loss(pass, dead, gradients?.to(activations.dtype));
        _ = turn.Descend(learner, loss.Total);
        autoencoder.UpdateThreshold(pass.Codes);
        autoencoder.Options.SparsityCoefficient = sparsity;
        if (options.ResampleInterval > 0 && (turn.Step + 1) % options.ResampleInterval == 0)
            Resample(activations);
        foreach (var (name, term) in loss.Terms)
            turn.Report(name, term.to(ScalarType.Float64).item<double>());
        turn.Report("active_count", active);
        turn.Report("dead_count", dead.sum().item<long>());
    }

    private void Resample(Tensor activations)
    {
        FeatureResampling.Apply(autoencoder, optimizer!, activations, window.Dead(options.ResampleInterval), random);
        window.Silence.zero_();
    }
}
