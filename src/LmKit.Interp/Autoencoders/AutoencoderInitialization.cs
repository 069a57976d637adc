using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How encoder and decoder start.</summary>
public enum AutoencoderInitialization
{
    /// <summary>Random unit decoder rows; the encoder is their transpose.</summary>
    Tied,

    /// <summary>Lee et al. 2025: a uniform encoder with bound sqrt(6 / F); decoder rows are its columns scaled to norm 1.</summary>
    ScaledEncoder,
}

/// <summary>The values that encoder and decoder start with.</summary>
internal static class AutoencoderStart
{
    internal static (Parameter Encoder, Parameter Decoder) Make(SparseAutoencoderOptions options, ParameterFactory parameters)
    {
        var (width, count) = (options.ModelDim, options.FeatureCount);
        if (options.Initialization == AutoencoderInitialization.ScaledEncoder)
        {
            // Kaiming-uniform on a (D, F) tensor takes F as its fan-in.
            var bound = Math.Sqrt(6.0 / count);
            var scaled = parameters.Uniform(-bound, bound, width, count);
            return (scaled, parameters.From(_ => Unit(scaled.t()), count, width));
        }
        var rows = parameters.From(random => Unit(randn([count, width], parameters.Dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32, generator: random)), count, width);
        return (parameters.From(_ => rows.detach().t(), width, count), rows);
    }

    private static Tensor Unit(Tensor rows) => rows.detach() / rows.detach().norm(1, keepdim: true);
}
