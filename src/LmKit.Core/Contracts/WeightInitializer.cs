using TorchSharp.Modules;

namespace LmKit;

/// <summary>From what dense weights, their biases and tables of embeddings are drawn; structured linears and mixers with parameters of their own
/// keep their papers' rules.</summary>
public enum WeightInitializer
{
    /// <summary>Weights and tables from N(0, range^2), smaller by sqrt(2 n_layer) at residual outputs; biases 0 (GPT-2).</summary>
    Normal,

    /// <summary>Weights and biases from U(-1, 1) / sqrt(I), I the width of the input, and tables from U(-1, 1) / sqrt(D): what published
    /// masked-diffusion models start from.</summary>
    UniformFanIn,
}

/// <summary>Draws by a <see cref="WeightInitializer"/>.</summary>
internal static class WeightDraws
{
    internal static Parameter Weight(this WeightInitializer initializer, ParameterFactory parameters, double range, long rows, long width) => initializer == WeightInitializer.UniformFanIn
        ? Uniform(parameters, width, rows, width)
        : parameters.Normal(range, rows, width);

    internal static Parameter Bias(this WeightInitializer initializer, ParameterFactory parameters, long rows, long width) => initializer == WeightInitializer.UniformFanIn
        ? Uniform(parameters, width, rows)
        : parameters.Constant(0, rows);

    private static Parameter Uniform(ParameterFactory parameters, long fanIn, params ReadOnlySpan<long> shape)
    {
        var bound = 1 / Math.Sqrt(fanIn);
        return parameters.Uniform(-bound, bound, shape);
    }
}
