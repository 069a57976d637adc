using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>One weight that falls by its gradient's sign, whose evaluations and data are scripted: evaluations[step - 1], and data for so many steps.</summary>
internal sealed class ScriptedTask(double[] evaluations, int dataSteps = int.MaxValue) : ILossTask, IDisposable
{
    private readonly Linear model = nn.Linear(1, 1, hasBias: false);
    private long step;

    public nn.Module Model => model;

    public bool CanEvaluate => evaluations.Length > 0;

    /// <summary>What the next step waits for; complete by default.</summary>
    internal Task Arrival { get; set; } = Task.CompletedTask;

    /// <summary>Complete once a step asks for its data after <see cref="Arrival"/> was changed.</summary>
    internal TaskCompletionSource Asked { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal double Weight => model.weight!.item<float>();

    public async ValueTask<bool> NextAsync(CancellationToken cancellation)
    {
        if (!Arrival.IsCompleted)
            Asked.TrySetResult();
        await Arrival.WaitAsync(cancellation);
        return step < dataSteps;
    }

    public TrainingLoss NextLoss()
    {
        step++;
        return new(model.weight!.sum(), 1);
    }

    public Estimate? Evaluate() => Estimate.OfUnits([evaluations[step - 1], evaluations[step - 1]], [1, 1], "rows");

    public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor> { ["step"] = tensor(step) };

    public void Restore(IReadOnlyDictionary<string, Tensor> progress) => step = progress["step"].item<long>();

    public void Dispose() => model.Dispose();
}
