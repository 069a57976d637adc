using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>AdamW's moments by parameter name, for training checkpoints: name.exp_avg, name.exp_avg_sq, name.step.</summary>
internal static class AdamWState
{
    /// <summary>The moments; those that have no tensor of their own are new tensors in the caller's scope, the others the optimizer's.</summary>
    /// <param name="optimizer">The optimizer.</param>
    /// <param name="names">Names of its parameters, in its order.</param>
    internal static Dictionary<string, Tensor> Save(AdamW optimizer, IReadOnlyList<string> names)
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
    internal static void Check(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
    {
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's optimizer state", Save(optimizer, names), saved);
        if (saved.FirstOrDefault(pair => pair.Key.EndsWith(".step", StringComparison.Ordinal) && pair.Value.item<long>() < 0) is { Key: { } name, Value: var step })
            throw new CheckpointMismatchException("The checkpoint's optimizer state", [], [], [], [], [new TensorMismatch(name, "steps done, 0 or more", $"{step.item<long>()}")]);
    }

    /// <summary>Copies saved moments into an optimizer.</summary>
    /// <exception cref="CheckpointMismatchException">They are another optimizer's; nothing was changed.</exception>
    internal static void Restore(AdamW optimizer, IReadOnlyList<string> names, IReadOnlyDictionary<string, Tensor> saved)
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

/// <summary>Scales gradients and bounds their global L2 norm.</summary>
public static class GradientClipping
{
    /// <summary>Multiplies every gradient by <paramref name="scale"/>, then shrinks them all if their joint norm exceeds the bound.</summary>
    /// <param name="parameters">The parameters; those without a gradient are passed over.</param>
    /// <param name="scale">Applied first, such as 1 / tokens.</param>
    /// <param name="maxNorm">The bound; 0 for none.</param>
    /// <returns>The global norm after scaling and before clipping; when it is not finite, gradients are left unscaled.</returns>
    public static double Apply(IEnumerable<Parameter> parameters, double scale, double maxNorm)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var gradients = parameters.Select(parameter => parameter.grad).OfType<Tensor>().ToArray();
        if (gradients.Length == 0)
            return 0;
        var norms = gradients.Select(gradient => Wide(gradient).norm().to(ScalarType.Float64)).ToArray();
        var norm = stack(norms).norm().item<double>() * scale;
        if (!double.IsFinite(norm))
            return norm;
        var factor = scale * (maxNorm > 0 ? Math.Min(1, maxNorm / (norm + 1e-6)) : 1);
        foreach (var gradient in gradients)
            gradient.mul_(factor);
        return norm;
    }

    // A norm has its tensor's type, and half precision has too few digits or too little range for it.
    private static Tensor Wide(Tensor gradient) => gradient.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? gradient.to(ScalarType.Float32) : gradient;
}
