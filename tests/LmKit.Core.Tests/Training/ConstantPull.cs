using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A row of weights whose gradient in micro-batch i is a constant row times factors[i], whatever the weights are.</summary>
internal sealed class ConstantPull : ILossTask, IDisposable
{
    private readonly Linear model;
    private readonly Tensor pull;
    private readonly double[] factors;
    private int next;

    internal ConstantPull(ScalarType dtype, float[] start, float[] pull, params double[] factors)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        this.factors = factors;
        this.pull = tensor(pull).DetachFromDisposeScope();
        model = nn.Linear(start.Length, 1, hasBias: false);
        model.weight!.copy_(tensor(start));
        model.to(dtype);
    }

    public nn.Module Model => model;

    internal Parameter Weight => model.weight!;

    internal float[] Values
    {
        get
        {
            using var scope = NewDisposeScope();
            return model.weight!.detach().to(ScalarType.Float32).data<float>().ToArray();
        }
    }

    public TrainingLoss NextLoss() => new((model.weight! * pull.to(model.weight!.dtype) * factors[next++ % factors.Length]).sum(), 1);

    public Estimate? Evaluate() => null;

    public bool CanEvaluate => false;

    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor> { ["next"] = tensor((long)next) };

    public void Restore(IReadOnlyDictionary<string, Tensor> progress) => next = (int)progress["next"].item<long>();

    public void Dispose()
    {
        model.Dispose();
        pull.Dispose();
    }
}
