using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains a language model on IOI prompts drawn afresh: cross-entropy of the indirect object at the last place alone.</summary>
/// <remarks>Name pairs with (7 IO + 3 S) mod 10 = 0 are never drawn: <see cref="HeldOut"/> tells whether the model has learned the task
/// or the pairs. Does not own the model.</remarks>
public sealed class IoiTrainingTask : ILossTask, IDisposable
{
    private const string Draws = "ioi_draws";
    private const string Dropout = "dropout";
    private const int EvaluationCount = 400;
    private const int Modulus = 10;
    private const int MaxBatchSize = 1 << 20;

    private readonly LanguageModel model;
    private readonly IoiDataset dataset;
    private readonly int batchSize;
    private readonly Generator random;
    private readonly ulong seed;

    /// <summary>Makes it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="dataset">The prompts.</param>
    /// <param name="batchSize">Prompts of a micro-batch.</param>
    /// <param name="seed">Seed of the draws.</param>
    /// <exception cref="ArgumentException">There are at most ten names: no pair would be held out.</exception>
    public IoiTrainingTask(LanguageModel model, IoiDataset dataset, int batchSize, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batchSize, MaxBatchSize);
        CheckNames(dataset);
        this.model = model;
        this.dataset = dataset;
        this.batchSize = batchSize;
        this.seed = seed;
        random = new Generator(seed);
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <summary>Whether a prompt's pair of names is kept from training.</summary>
    public static bool IsHeldOut(IoiPrompt prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return (7 * prompt.Io + 3 * prompt.S) % Modulus == 0;
    }

    /// <summary>Prompts whose pairs of names are never trained on.</summary>
    /// <exception cref="ArgumentException">There are at most ten names: no pair is held out.</exception>
    public static IReadOnlyList<IoiPrompt> HeldOut(IoiDataset dataset, int count, Generator random)
    {
        CheckNames(dataset);
        return Select(dataset, count, random, IsHeldOut);
    }

    /// <summary>Share of prompts whose most likely next word is the indirect object.</summary>
    public static double Accuracy(LanguageModel model, IoiBatch batch)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        return LogitDifference.Accuracy(Logits(model, batch), batch);
    }

    /// <inheritdoc/>
    public TrainingLoss NextLoss()
    {
        using var batch = dataset.Tokenize(Select(dataset, batchSize, random, prompt => !IsHeldOut(prompt)));
        return Loss(batch);
    }

    /// <inheritdoc/>
    public RunIdentity Identity() => new RunIdentity("task", "ioi").Add("data_key", dataset.Key()).Add("batch_size", batchSize).Add("seed", seed);

    /// <inheritdoc/>
    public bool CanEvaluate => true;

    /// <inheritdoc/>
    public Estimate? Evaluate()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var fixedRandom = new Generator(0);
        using var batch = dataset.Tokenize(HeldOut(dataset, EvaluationCount, fixedRandom));
        var logits = Logits(model, batch);
        var losses = nn.functional.cross_entropy(HalfPrecision.Widen(logits), batch.Answers.to(logits.device), reduction: nn.Reduction.None);
        return Estimate.OfValues([.. losses.to(ScalarType.Float64).cpu().data<double>()], "prompts", "pairs of names never trained on, drawn with seed 0");
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor> { [Draws] = random.get_state(), [Dropout] = model.Random.get_state() };

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's progress", Progress(), progress);
        random.set_state(progress[Draws]);
        model.Random.set_state(progress[Dropout]);
    }

    /// <inheritdoc/>
    public void Dispose() => random.Dispose();

    private TrainingLoss Loss(IoiBatch batch)
    {
        using var scope = NewDisposeScope();
        var logits = Logits(model, batch);
        var sum = nn.functional.cross_entropy(HalfPrecision.Widen(logits), batch.Answers.to(logits.device), reduction: nn.Reduction.Sum);
        return new(sum.MoveToOuterDisposeScope(), batch.Prompts.Count);
    }

    private static Tensor Logits(LanguageModel model, IoiBatch batch)
    {
        using var scope = NewDisposeScope();
        // Every prompt ends in its last column.
        return model.Logits(model.Hidden(batch.TokensFor(model)).select(1, batch.Tokens.size(1) - 1)).MoveToOuterDisposeScope();
    }

    // 7 IO + 3 S = 0 mod 10 means IO = S mod 10, which needs two names ten apart.
    private static void CheckNames(IoiDataset dataset)
    {
        ArgumentNullException.ThrowIfNull(dataset);
        if (dataset.NameCount <= Modulus)
            throw new ArgumentException($"At least {Modulus + 1} names are needed, or no pair of them is held out; got {dataset.NameCount}.", nameof(dataset));
    }

    private static List<IoiPrompt> Select(IoiDataset dataset, int count, Generator random, Func<IoiPrompt, bool> fits)
    {
        var chosen = new List<IoiPrompt>();
        while (chosen.Count < count)
            chosen.AddRange(dataset.Draw(count, random).Where(fits).Take(count - chosen.Count));
        return chosen;
    }
}
