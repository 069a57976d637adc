using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>Trains autoencoders as the task autoencoders of R4 and R5 are: activations scaled to mean norm 8, Adam at 1e-3 with a linear
/// decay over the last quarter, batches of 512.</summary>
/// <param name="epochs">Epochs.</param>
/// <param name="seed">Seed of parameters and order.</param>
public sealed class AutoencoderRecipe(int epochs, ulong seed)
{
    private const long BatchSize = 512;
    private const double MeanNorm = 8;

    /// <summary>Trains an autoencoder that takes and returns raw activations; the caller disposes it.</summary>
    public SparseAutoencoder Train(Tensor activations, long featureCount, SparseAutoencoderOptions options)
    {
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(options);
        (options.ModelDim, options.FeatureCount) = (activations.size(1), featureCount);
        using var scope = NewDisposeScope();
        using var random = new Generator(seed);
        var autoencoder = Make(options, new ParameterFactory(random));
        using var scale = new ActivationScale(MeanNorm / activations.norm(1).mean().item<float>());
        var scaled = scale.Apply(activations);
        using var task = AutoencoderTask.OnBatches(autoencoder, ActivationEpochs.Of(scaled, BatchSize, epochs, random), new()
        {
            Steps = epochs * ActivationEpochs.Count(activations.size(0), BatchSize),
            LearningRate = 1e-3,
            DecayShare = 0.25,
            Beta2 = 0.999,
            MaxGradientNorm = 0,
        });
        using var trainer = new Trainer(task);
        trainer.Run();
        autoencoder.Fold(scale);
        return autoencoder;
    }

    private static SparseAutoencoder Make(SparseAutoencoderOptions options, ParameterFactory parameters) => options switch
    {
        TopKOptions topK => new TopKAutoencoder(topK, parameters),
        VanillaOptions vanilla => new VanillaAutoencoder(vanilla, parameters),
        TopAfaOptions topAfa => new TopAfaAutoencoder(topAfa, parameters),
        _ => throw new ArgumentException($"{options.GetType().Name} has no recipe here."),
    };
}
