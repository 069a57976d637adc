using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Supervised fine-tuning: next-token loss on the tokens that examples ask to learn, a <see cref="Trainer"/>'s task.</summary>
/// <remarks>Packed rows carry segment ids, so no example sees another. The place in the data is (epoch, row), hence a run that is
/// resumed goes on bit for bit. Only labelled positions go through the head.</remarks>
public sealed class FineTuner : ILossTask
{
    private const string Place = "place";
    private const string Random = "dropout_random";
    private const string EmbeddingName = "embeddings.word_embeddings.weight";

    private readonly LanguageModel model;
    private readonly FineTuningOptions options;
    private readonly IReadOnlyList<SupervisedExample> examples;
    private readonly IReadOnlyList<SupervisedExample> heldOut;
    private readonly PackingPlan plan;
    private readonly Parameter? embedding;
    private readonly Lazy<string> dataKey;
    private long epoch;
    private int next;
    private long orderEpoch = -1;
    private int[] order = [];

    /// <summary>Prepares a task; what is not to be trained is frozen here.</summary>
    /// <param name="model">The model, with adapters unless all of it is trained.</param>
    /// <param name="examples">What it learns.</param>
    /// <param name="options">Rows and order.</param>
    /// <param name="heldOut">What it is evaluated on; none by default.</param>
    /// <exception cref="ArgumentException">There is no example, a token is outside the vocabulary, or an example is longer than a row.</exception>
    /// <exception cref="InvalidOperationException">The adapters are merged or switched off.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public FineTuner(LanguageModel model, IReadOnlyList<SupervisedExample> examples, FineTuningOptions? options = null, IReadOnlyList<SupervisedExample>? heldOut = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(examples);
        Learner.CheckTrainable(model);
        this.model = model;
        this.options = options ?? new FineTuningOptions();
        this.options.Check();
        this.examples = examples;
        this.heldOut = heldOut ?? [];
        Check(examples);
        Check(this.heldOut);
        if (examples.Count == 0)
            throw new ArgumentException("There is no example to learn from.", nameof(examples));
        plan = Plan(examples);
        dataKey = new(() => ContentHash.Of(examples.Select(example => (int[])[.. example.Tokens, .. example.Targets.Select(isTarget => isTarget ? 1 : 0)])));
        if (this.options.TrainsAdaptersOnly)
        {
            _ = LoraAdapters.FreezeOthers(model);
            if (LoraAdapters.All(model).All(entry => !entry.Adapter.IsEnabled))
                throw new InvalidOperationException("All adapters are switched off, so they would learn nothing; switch them on first (LoraAdapters.Enable).");
        }
        if (this.options.TrainedTokens.Length > 0)
        {
            embedding = Embedding();
            TrainedRows.Note(model, [.. TrainedRows.Tokens(model).Union(this.options.TrainedTokens).Order()]);
        }
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    // Decay would act on the table's other rows too, which adapter files do not hold.
    IReadOnlyList<Learner> ITrainingTask.Learners => [new Learner("model", model) { Undecayed = embedding is null ? [] : [EmbeddingName] }];

    /// <summary>The share of the rows' tokens that is no padding.</summary>
    public double Fill => plan.Fill;

    /// <summary>Micro-batches of one pass through the examples, the last one filled from the next pass.</summary>
    public long BatchesPerEpoch => (plan.Rows.Count + options.RowCount - 1) / options.RowCount;

    /// <inheritdoc/>
    public TrainingLoss NextLoss()
    {
        using var batch = SupervisedBatch.Of(examples, plan, NextRows());
        return Loss(batch);
    }

    /// <summary>Lets gradients act on the trained tokens' rows only.</summary>
    public void PrepareGradients()
    {
        if (embedding?.grad is not { } gradient)
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var index = tensor(options.TrainedTokens, device: gradient.device);
        var rows = gradient.index_select(0, index);
        _ = gradient.zero_();
        gradient.index_copy_(0, index, rows);
    }

    /// <inheritdoc/>
    public bool CanEvaluate => heldOut.Count > 0;

    /// <inheritdoc/>
    public Estimate? Evaluate()
    {
        if (heldOut.Count == 0)
            return null;
        using var frozen = no_grad();
        var held = Plan(heldOut);
        var device = model.parameters().First().device;
        var (sums, counts) = (new List<double>(), new List<long>());
        foreach (var rows in Enumerable.Range(0, held.Rows.Count).Chunk(options.RowCount))
        {
            using var scope = NewDisposeScope();
            using var batch = SupervisedBatch.Of(heldOut, held, rows);
            foreach (var (sum, count) in NextTokenLoss.PerDocument(model, batch.Tokens.to(device), batch.Segments.to(device), batch.Targets.to(device), options.ChunkRows))
            {
                sums.Add(sum);
                counts.Add(count);
            }
        }
        return Estimate.OfUnits(sums, counts, "examples", "the tokens to learn, each example by itself");
    }

    /// <inheritdoc/>
    public RunIdentity Identity() => new RunIdentity("task", "fine-tuning")
        .Add("template", options.TemplateId)
        .Add("tokenizer", options.TokenizerId)
        .Add("data_count", examples.Count)
        .Add("data_key", dataKey.Value)
        .AddOptions(options, except: ["template_id", "tokenizer_id"]);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>
    {
        [Place] = tensor(new[] { epoch, next }),
        [Random] = model.Random.get_state(),
    };

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        var place = HostValues.Read(progress[Place]);
        if (place is not [>= 0, >= 0] || place[1] > plan.Rows.Count)
            throw new CheckpointMismatchException("The checkpoint's progress", [], [], [], [], [new TensorMismatch(Place, $"an epoch and one of {plan.Rows.Count} rows", string.Join(", ", place))]);
        model.Random.set_state(progress[Random]);
        (epoch, next) = (place[0], (int)place[1]);
    }

    private TrainingLoss Loss(SupervisedBatch batch)
    {
        var device = model.parameters().First().device;
        using var tokens = batch.Tokens.to(device);
        using var segments = batch.Segments.to(device);
        using var targets = batch.Targets.to(device);
        return NextTokenLoss.Of(model, tokens, segments, targets, options.ChunkRows);
    }

    private PackingPlan Plan(IReadOnlyList<SupervisedExample> chosen) => options.IsPacked
        ? BestFitPacking.Plan([.. chosen.Select(example => example.Tokens.Count)], options.RowLength)
        : new PackingPlan([.. chosen.Select((example, index) => new PackedPiece(index, 0, example.Tokens.Count))], [.. chosen.Select((_, index) => (int[])[index])], options.RowLength);

    private int[] NextRows()
    {
        var rows = new int[options.RowCount];
        for (var row = 0; row < rows.Length; row++)
        {
            if (next == plan.Rows.Count)
                (epoch, next) = (epoch + 1, 0);
            if (orderEpoch != epoch)
                (order, orderEpoch) = (SplitMix.Permutation(plan.Rows.Count, options.Seed, epoch), epoch);
            rows[row] = order[next++];
        }
        return rows;
    }

    private Parameter Embedding()
    {
        foreach (var token in options.TrainedTokens.Where(token => token < 0 || token >= model.VocabSize))
            throw new ArgumentException($"TrainedTokens holds {token}, outside the vocabulary of {model.VocabSize}.");
        var table = model.get_parameter(EmbeddingName) ?? throw new ArgumentException($"The model has no {EmbeddingName} to train rows of.");
        table.requires_grad_(true);
        return table;
    }

    private void Check(IReadOnlyList<SupervisedExample> given)
    {
        for (var index = 0; index < given.Count; index++)
        {
            var example = given[index];
            if (example.Tokens.Count > options.RowLength)
                throw new ArgumentException($"Example {index} has {example.Tokens.Count} tokens, more than a row of {options.RowLength}; cut it (ExampleOptions.MaxLength) or lengthen the rows.", nameof(given));
            if (example.TargetCount == 0)
                throw new ArgumentException($"Example {index} has no token that counts; leave it out.", nameof(given));
            foreach (var token in example.Tokens.Where(token => token < 0 || token >= model.VocabSize))
                throw new ArgumentException($"Example {index} holds token {token}, outside the vocabulary of {model.VocabSize}.", nameof(given));
        }
    }
}
