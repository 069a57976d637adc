using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>AdamW's moments by parameter name, for training checkpoints: name.exp_avg, name.exp_avg_sq, name.step.</summary>
public static class AdamWState
{
    /// <summary>The moments; those that have no tensor of their own are new tensors in the caller's scope, the others the optimizer's.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="names">Names of its parameters, in its order.</param>
    public static Dictionary<string, Tensor> Save(AdamW optimizer, IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        ArgumentNullException.ThrowIfNull(names);
        var saved = new Dictionary<string, Tensor>();
        foreach (var (name, state) in Pairs(optimizer, names))
        {
            saved[$"{name}.exp_avg"] = state.exp_avg;
            saved[$"{name}.exp_avg_sq"] = state.exp_avg_sq;
            saved[$"{name}.step"] = tensor(state.step);
        }
        return saved;
    }

    /// <summary>Refuses moments that are not exactly this optimizer's in names, shapes and types.</summary>
    /// <exception cref="CheckpointMismatchException">They are another's.</exception>
    public static void Check(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
    {
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's optimizer state", Save(optimizer, names), saved);
        if (saved.FirstOrDefault(pair => pair.Key.EndsWith(".step", StringComparison.Ordinal) && pair.Value.item<long>() < 0) is { Key: { } name, Value: var step })
            throw new CheckpointMismatchException("The checkpoint's optimizer state", [], [], [], [], [new TensorMismatch(name, "steps done, 0 or more", $"{step.item<long>()}")]);
    }

    /// <summary>Copies saved moments into an optimizer.</summary>
    /// <exception cref="CheckpointMismatchException">They are another optimizer's; nothing was changed.</exception>
    public static void Restore(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
    {
        using var frozen = no_grad();
        ArgumentNullException.ThrowIfNull(saved);
        Check(optimizer, names, saved);
        foreach (var (name, state) in Pairs(optimizer, names))
        {
            state.exp_avg.copy_(saved[$"{name}.exp_avg"]);
            state.exp_avg_sq.copy_(saved[$"{name}.exp_avg_sq"]);
            state.step = saved[$"{name}.step"].item<long>();
        }
    }

    private static IEnumerable<(string Name, AdamW.State State)> Pairs(AdamW optimizer, IReadOnlyList<string> names) =>
        names.Zip(optimizer.state_dict().State.Cast<AdamW.State>());
}
