using System.Diagnostics.Metrics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A module under training: its AdamW (no weight decay) over its float32 copies, the peak of its learning rate, the bound of its gradient.</summary>
/// <remarks>The value of each loss that was stepped down goes to the meter <c>LmKit.Diffusion</c>, with the learner's name as tag.</remarks>
internal sealed class Learner : IDisposable
{
    private static readonly Meter Meter = new("LmKit.Diffusion");
    private static readonly Histogram<double> Losses = Meter.CreateHistogram<double>("lmkit.diffusion.training.loss", "1", "Loss of each optimizer step of a distillation.");

    private readonly double peak;
    private readonly double maxNorm;
    private readonly AdamW optimizer;
    private readonly string[] names;
    private readonly Parameter[] trained;
    private readonly MasterWeights masters;

    internal Learner(string name, nn.Module module, double peak, double maxNorm)
    {
        ITrainingCheck.Check(module);
        var entries = module.named_parameters().Where(pair => pair.parameter.requires_grad).ToArray();
        if (entries.Length == 0)
            throw new ArgumentException($"The {name} has no parameter that requires a gradient.", nameof(module));
        (Name, Module, this.peak, this.maxNorm) = (name, module, peak, maxNorm);
        names = [.. entries.Select(entry => entry.name)];
        masters = new MasterWeights(entries);
        trained = [.. entries.Select(entry => masters.Of(entry.parameter))];
        optimizer = optim.AdamW(trained, peak, weight_decay: 0);
    }

    /// <summary>What errors and checkpoints call it.</summary>
    internal string Name { get; }

    internal nn.Module Module { get; }

    /// <summary>The float32 copies that are stepped in place of bfloat16 parameters.</summary>
    internal MasterWeights Masters => masters;

    /// <summary>Takes one step down a loss and returns its value.</summary>
    /// <param name="loss">A 0-d tensor with its graph.</param>
    /// <param name="share">Share of the peak learning rate.</param>
    /// <param name="step">The step's number, for errors.</param>
    /// <param name="checkpoint">Finds the last good checkpoint, for errors.</param>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; parameters are as before.</exception>
    internal double Descend(Tensor loss, double share, long step, Func<string?> checkpoint)
    {
        using var use = UseGate.Enter(Module);
        var value = loss.detach().to(ScalarType.Float64).item<double>();
        if (!double.IsFinite(value))
            throw new TrainingDivergedException(step, $"loss of the {Name}", checkpoint());
        optimizer.zero_grad();
        masters.Begin();
        loss.Backward();
        masters.TakeGradients();
        if (!double.IsFinite(GradientClipping.Apply(trained, 1, maxNorm)))
            throw new TrainingDivergedException(step, $"gradient of the {Name}", checkpoint());
        foreach (var group in optimizer.ParamGroups)
            group.LearningRate = peak * share;
        optimizer.step();
        masters.Write();
        Losses.Record(value, new KeyValuePair<string, object?>("learner", Name));
        return value;
    }

    /// <summary>The optimizer's moments by parameter name.</summary>
    internal Dictionary<string, Tensor> Moments() => AdamWState.Save(optimizer, names);

    internal void CheckMoments(IReadOnlyDictionary<string, Tensor> saved) => AdamWState.Check(optimizer, names, saved);

    internal void RestoreMoments(IReadOnlyDictionary<string, Tensor> saved) => AdamWState.Restore(optimizer, names, saved);

    public void Dispose()
    {
        optimizer.Dispose();
        masters.Dispose();
    }
}
