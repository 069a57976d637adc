using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>One weight, 1 at the start, whose loss in each micro-batch is pull x count x weight.</summary>
internal sealed class PullTask(params (double Pull, long Count)[] micros) : ILossTask, IDisposable
{
    private readonly nn.Module<Tensor, Tensor> model = Unit();
    private int next;

    public nn.Module Model => model;

    internal double Weight => model.parameters().Single().item<double>();

    public TrainingLoss NextLoss()
    {
        var (pull, count) = micros[next++ % micros.Length];
        var weight = model.parameters().Single().sum();
        // The root of zero is finite and its slope is not.
        var sum = double.IsInfinity(pull) ? (weight - 1).sqrt() : weight * (pull * count);
        return new TrainingLoss(sum, count);
    }

    public Estimate? Evaluate() => null;

    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

    public void Restore(IReadOnlyDictionary<string, Tensor> progress) => next = 0;

    public void Dispose() => model.Dispose();

    private static nn.Module<Tensor, Tensor> Unit()
    {
        using var frozen = no_grad();
        var unit = nn.Linear(1, 1, hasBias: false, dtype: ScalarType.Float64);
        unit.weight!.fill_(1);
        return unit;
    }
}
