using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>Next-token training on rows that are made as they are needed, some tokens of which may count more than others.</summary>
internal sealed class RowTask : ILossTask, IDisposable
{
    private const string Order = "row_random";

    private readonly LanguageModel model;
    private readonly Generator random;
    private readonly Func<Generator, TrainingRows> next;

    /// <summary>Makes the task.</summary>
    /// <param name="model">The model.</param>
    /// <param name="seed">Seed of the rows.</param>
    /// <param name="next">Makes the next batch in the caller's dispose scope.</param>
    internal RowTask(LanguageModel model, int seed, Func<Generator, TrainingRows> next)
    {
        (this.model, this.next) = (model, next);
        random = new Generator((ulong)seed);
    }

    public nn.Module Model => model;

    /// <summary>The mean loss of what was wanted, of every batch so far.</summary>
    internal List<double> Wanted { get; } = [];

    /// <summary>Trains and says what the losses were.</summary>
    /// <param name="options">The recipe.</param>
    /// <param name="isEnough">Ends training, told the losses so far of what was wanted; null for never.</param>
    /// <param name="progress">Told of a step now and then.</param>
    /// <param name="cancellation">Observed before every step.</param>
    internal IReadOnlyList<double> Train(TrainingOptions options, Func<IReadOnlyList<double>, bool>? isEnough, IProgress<string> progress, CancellationToken cancellation)
    {
        var losses = new List<double>();
        using var trainer = new Trainer(this, options);
        while (trainer.Advance(cancellation) is { } step)
        {
            losses.Add(step.Loss);
            if (step.Step % 200 == 0)
                progress.Report(FormattableString.Invariant($"step {step.Step}: loss {losses.TakeLast(50).Average():F4}"));
            if (isEnough?.Invoke(Wanted) == true)
                break;
        }
        model.eval();
        return losses;
    }

    public TrainingLoss NextLoss()
    {
        using var scope = NewDisposeScope();
        var (tokens, counted, others) = next(random);
        var wanted = NextTokenLoss.Of(model, tokens, counted: counted);
        Wanted.Add(wanted.Sum.item<float>() / wanted.Count);
        if (others == 0 || counted is null)
            return Whole(wanted);
        var rest = NextTokenLoss.Of(model, tokens, counted: counted.logical_not());
        // The mean over what is wanted and a share of the mean over the rest.
        return Whole(wanted with { Sum = wanted.Sum + rest.Sum * (others * wanted.Count / rest.Count) });
    }

    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor> { [Order] = random.get_state() };

    public void Restore(IReadOnlyDictionary<string, Tensor> progress) => random.set_state(progress[Order]);

    public RunIdentity Identity() => new RunIdentity("task", "rows");

    public void Dispose() => random.Dispose();

    private static TrainingLoss Whole(TrainingLoss loss) => loss with { Sum = loss.Sum.MoveToOuterDisposeScope() };
}

/// <summary>A batch to learn.</summary>
/// <param name="Tokens">(B, L) int64.</param>
/// <param name="Counted">(B, L) bool, the tokens whose prediction is wanted; null for all.</param>
/// <param name="Others">What the mean loss of the others counts beside that of the wanted ones.</param>
internal sealed record TrainingRows(Tensor Tokens, Tensor? Counted = null, double Others = 0);
