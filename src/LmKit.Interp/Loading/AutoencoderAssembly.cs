using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Puts published weights into an autoencoder of the kind that its files name.</summary>
internal sealed class AutoencoderAssembly(string path, AutoencoderLoadOptions options)
{
    /// <summary>Makes it with encoder (D, F) and decoder (F, D), and fills further parameters by our names.</summary>
    internal SparseAutoencoder Make(Func<ParameterFactory, long, long, SparseAutoencoder> make, Tensor encoder, Tensor decoder, Tensor decoderBias, Dictionary<string, Tensor> more)
    {
        using var frozen = no_grad();
        using var random = new Generator(0);
        // Before anything of that size is made.
        if (decoder.dim() != 2 || decoder.numel() == 0 || !encoder.shape.SequenceEqual([decoder.size(1), decoder.size(0)]))
            throw new InvalidDataException($"{path}: encoder ({string.Join(", ", encoder.shape)}) and decoder ({string.Join(", ", decoder.shape)}) are not (D, F) and (F, D).");
        var autoencoder = make(new ParameterFactory(random, options.Dtype, options.Device, initializes: true), decoder.size(1), decoder.size(0));
        var tensors = new Dictionary<string, Tensor>(more) { ["W_enc"] = encoder, ["W_dec"] = decoder, ["b_dec"] = decoderBias };
        try
        {
            foreach (var (name, parameter) in autoencoder.state_dict())
            {
                if (!tensors.TryGetValue(name, out var value))
                {
                    if (name != "topk_threshold") // there once a threshold was learned
                        throw new CheckpointMismatchException(path, [name], [], [], []);
                    continue;
                }
                if (!parameter.shape.SequenceEqual(value.shape))
                    throw new InvalidDataException($"{path}: {name} is ({string.Join(", ", value.shape)}); ({string.Join(", ", parameter.shape)}) is wanted.");
                if (!value.isfinite().all().item<bool>())
                    throw new InvalidDataException($"{path}: {name} holds values that are not finite.");
                parameter.copy_(value);
            }
        }
        catch
        {
            autoencoder.Dispose();
            throw;
        }
        autoencoder.eval();
        return autoencoder;
    }

    /// <summary>Thresholds as our logarithms; those at or below 0 let every positive value through.</summary>
    internal static Tensor LogThreshold(Tensor thresholds) => thresholds.to(ScalarType.Float64).clamp_min(1e-30).log();

    internal static T Sized<T>(T sized, long width, long count)
        where T : SparseAutoencoderOptions
    {
        (sized.ModelDim, sized.FeatureCount) = (width, count);
        return sized;
    }
}
