using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

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
