using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Next-token training of a language model on windows of a token data set.</summary>
public sealed class LanguageModelTask : ILossTask
{
    private const string Place = "place";
    private const string Random = "dropout_random";

    private readonly LanguageModel model;
    private readonly RandomWindows windows;
    private readonly TokenDataset data;
    private readonly TokenDataset? heldOut;
    private readonly long length;
    private readonly long batchSize;
    private readonly long seed;
    private readonly Device device;

    /// <summary>Makes the task.</summary>
    /// <param name="model">The model.</param>
    /// <param name="data">What it learns; not disposed.</param>
    /// <param name="length">Tokens L of a window.</param>
    /// <param name="batchSize">Windows B of a micro-batch.</param>
    /// <param name="seed">Seed of the windows' order.</param>
    /// <param name="heldOut">What it is evaluated on, or null; not disposed.</param>
    /// <exception cref="ArgumentException">The data was made with more tokens than the model knows, or is too short.</exception>
    public LanguageModelTask(LanguageModel model, TokenDataset data, long length, long batchSize, long seed, TokenDataset? heldOut = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        foreach (var set in new[] { data, heldOut }.OfType<TokenDataset>().Where(set => set.VocabSize > model.VocabSize))
            throw new ArgumentException($"{set.FilePath} was made with {set.VocabSize} token ids; the model knows {model.VocabSize}.", nameof(data));
        this.model = model;
        this.heldOut = heldOut;
        this.length = length;
        this.batchSize = batchSize;
        this.seed = seed;
        this.data = data;
        windows = new RandomWindows(data, length, batchSize, seed);
        device = model.parameters().First().device;
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public TrainingLoss NextLoss()
    {
        using var tokens = windows.Next();
        using var moved = tokens.to(device);
        return NextTokenLoss.Of(model, moved);
    }

    /// <inheritdoc/>
    public bool CanEvaluate => heldOut is not null;

    /// <inheritdoc/>
    public RunIdentity Identity() => new RunIdentity("task", "next-token")
        .AddData(data)
        .Add("window_length", length)
        .Add("batch_size", batchSize)
        .Add("seed", seed);

    /// <inheritdoc/>
    public Estimate? Evaluate() => heldOut is null ? null : Evaluate(model, heldOut, length, batchSize);

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>
    {
        [Place] = windows.Place(),
        [Random] = model.Random.get_state(),
    };

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        windows.CheckPlace(progress[Place]);
        model.Random.set_state(progress[Random]);
        windows.Seek(progress[Place]);
    }

    /// <summary>Mean next-token loss in nats over a whole data set, each token but the first counted once, and its standard error over windows.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="data">The data.</param>
    /// <param name="length">Tokens of a window; each window starts anew.</param>
    /// <param name="batchSize">Windows at a time.</param>
    public static Estimate Evaluate(LanguageModel model, TokenDataset data, long length, long batchSize)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        using var frozen = no_grad();
        var device = model.parameters().First().device;
        var (sums, counts) = (new List<double>(), new List<long>());
        foreach (var batch in EvaluationWindows.Read(data, length, batchSize))
        {
            using var scope = NewDisposeScope();
            using var tokens = batch;
            foreach (var (sum, count) in NextTokenLoss.PerDocument(model, tokens.to(device)))
            {
                sums.Add(sum);
                counts.Add(count);
            }
        }
        return Estimate.OfUnits(sums, counts, "windows", $"windows of {length} tokens, each read from its own beginning");
    }
}
