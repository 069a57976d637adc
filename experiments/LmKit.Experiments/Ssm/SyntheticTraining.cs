using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>Training on a fixed set of synthetic examples, tested on the last token after every pass.</summary>
internal sealed class SyntheticTraining : ILossTask, IDisposable
{
    private const string Order = "order_random";
    private const string Place = "place";

    private readonly LanguageModel model;
    private readonly SyntheticRecipe recipe;
    private readonly Tensor examples; // (N, T)
    private readonly Tensor test; // (M, T)
    private readonly Generator random;
    private readonly CancellationTokenSource enough = new();
    private readonly List<double> accuracies = [];
    private Tensor? order;
    private long next;

    private SyntheticTraining(LanguageModel model, SyntheticTask task, SyntheticRecipe recipe, ulong seed)
    {
        (this.model, this.recipe) = (model, recipe);
        random = new Generator(seed);
        examples = task.Sample(recipe.ExampleCount, random);
        test = task.Sample(recipe.TestCount, random, others: examples);
    }

    public nn.Module Model => model;

    /// <summary>Trains a model and returns its test accuracy after each pass.</summary>
    /// <param name="model">The model.</param>
    /// <param name="task">Makes the examples.</param>
    /// <param name="recipe">The recipe.</param>
    /// <param name="seed">Seed of the examples and their order.</param>
    /// <param name="progress">Takes the accuracy and loss now and then.</param>
    /// <param name="cancellation">Observed before every step.</param>
    internal static IReadOnlyList<double> Run(LanguageModel model, SyntheticTask task, SyntheticRecipe recipe, ulong seed, IProgress<string> progress, CancellationToken cancellation)
    {
        using var training = new SyntheticTraining(model, task, recipe, seed);
        using var trainer = new Trainer(training, new TrainingOptions
        {
            Steps = recipe.Steps,
            LearningRate = recipe.LearningRate,
            Shape = recipe.Shape,
            FinalShare = recipe.FinalShare,
            WarmupSteps = (long)(recipe.WarmupShare * recipe.Steps),
            WeightDecay = 0.1,
            MaxGradientNorm = 0,
            EvaluationInterval = recipe.StepsPerEpoch,
        });
        using var either = CancellationTokenSource.CreateLinkedTokenSource(training.enough.Token, cancellation);
        try
        {
            trainer.Run(new Lines(training, progress), either.Token);
        }
        catch (OperationCanceledException) when (training.enough.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
        }
        return training.accuracies;
    }

    public TrainingLoss NextLoss()
    {
        using var scope = NewDisposeScope();
        var rows = NextRows();
        if (!recipe.LearnsLastTokenOnly)
            return Whole(NextTokenLoss.Of(model, rows));
        var counted = zeros_like(rows, dtype: ScalarType.Bool);
        counted.select(1, rows.size(1) - 1).fill_(true);
        return Whole(NextTokenLoss.Of(model, rows, counted: counted));
    }

    public bool CanEvaluate => true;

    public Estimate? Evaluate()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var last = model.Hidden(test.narrow(1, 0, test.size(1) - 1)).select(1, -1);
        var logits = model.Logits(last);
        var answers = test.select(1, -1);
        accuracies.Add(logits.argmax(1).eq(answers).to(ScalarType.Float64).mean().item<double>());
        if (accuracies[^1] >= recipe.EnoughAccuracy)
            enough.Cancel();
        return Estimate.OfValues([.. nn.functional.cross_entropy(logits, answers, reduction: nn.Reduction.None).to(ScalarType.Float64).data<double>()], "examples", "the last token of each");
    }

    public IReadOnlyDictionary<string, Tensor> Progress() =>
        new Dictionary<string, Tensor> { [Order] = random.get_state(), [Place] = cat([(order ?? zeros(0, ScalarType.Int64)), tensor([next])]) };

    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        random.set_state(progress[Order]);
        var place = progress[Place];
        order?.Dispose();
        order = place.size(0) > 1 ? place.narrow(0, 0, place.size(0) - 1).clone().DetachFromDisposeScope() : null;
        next = place[-1].item<long>();
    }

    public void Dispose()
    {
        examples.Dispose();
        test.Dispose();
        order?.Dispose();
        random.Dispose();
        enough.Dispose();
    }

    private static TrainingLoss Whole(TrainingLoss loss) => loss with { Sum = loss.Sum.MoveToOuterDisposeScope() };

    // Every pass shuffles anew; its last batch may be smaller.
    private Tensor NextRows()
    {
        if (order is null || next >= order.size(0))
        {
            order?.Dispose();
            order = randperm(examples.size(0), generator: random).DetachFromDisposeScope();
            next = 0;
        }
        var count = Math.Min(recipe.BatchSize, order.size(0) - next);
        var rows = examples.index_select(0, order.narrow(0, next, count));
        next += count;
        return rows;
    }

    private sealed class Lines(SyntheticTraining training, IProgress<string> progress) : IProgress<TrainingStep>
    {
        private int shown;

        public void Report(TrainingStep value)
        {
            if (training.accuracies.Count < shown + 5)
                return;
            shown = training.accuracies.Count;
            progress.Report(FormattableString.Invariant($"step {value.Step}: loss {value.Loss:F3}, accuracy {training.accuracies[^1]:P1}"));
        }
    }
}
