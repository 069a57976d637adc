using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

public abstract class AutoencoderConformance : FeatureDictionaryConformance
{
    protected const long Active = 3;

    protected override long FeatureCount => 12;

    protected override long ModelDim => 6;

    protected override IDictionary Create(ScalarType dtype)
    {
        var autoencoder = Parameters.Make(Make, dtype);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(2);
        // Free row lengths and biases, so that nothing holds by accident.
        foreach (var (_, parameter) in autoencoder.named_parameters())
            parameter.add_(randn(parameter.shape, dtype, generator: random) * 0.3);
        return autoencoder;
    }

    protected abstract SparseAutoencoder Make(ParameterFactory parameters);

    protected T Sized<T>(T options)
        where T : SparseAutoencoderOptions
    {
        (options.ModelDim, options.FeatureCount) = (ModelDim, FeatureCount);
        return options;
    }
}

public class VanillaAutoencoderConformanceTests : AutoencoderConformance
{
    protected override SparseAutoencoder Make(ParameterFactory parameters) => new VanillaAutoencoder(Sized(new VanillaOptions()), parameters);
}

public class TopKAutoencoderConformanceTests : AutoencoderConformance
{
    protected override double? ActiveLimit => Active;

    protected override SparseAutoencoder Make(ParameterFactory parameters) => new TopKAutoencoder(Sized(new TopKOptions { ActiveCount = Active }), parameters);
}

public class RescaledTopKAutoencoderConformanceTests : AutoencoderConformance
{
    protected override double? ActiveLimit => Active;

    protected override SparseAutoencoder Make(ParameterFactory parameters) =>
        new TopKAutoencoder(Sized(new TopKOptions { ActiveCount = Active, RescalesByDecoderNorm = true }), parameters);
}

public class BatchTopKAutoencoderConformanceTests : AutoencoderConformance
{
    protected override double? ActiveLimit => Active;

    protected override SparseAutoencoder Make(ParameterFactory parameters) => new BatchTopKAutoencoder(Sized(new BatchTopKOptions { ActiveCount = Active }), parameters);
}

public class JumpReluAutoencoderConformanceTests : AutoencoderConformance
{
    protected override SparseAutoencoder Make(ParameterFactory parameters) => new JumpReluAutoencoder(Sized(new JumpReluOptions { InitialThreshold = 0.5 }), parameters);
}

public class GatedAutoencoderConformanceTests : AutoencoderConformance
{
    protected override SparseAutoencoder Make(ParameterFactory parameters) => new GatedAutoencoder(Sized(new GatedOptions()), parameters);
}

public class TopAfaAutoencoderConformanceTests : AutoencoderConformance
{
    protected override SparseAutoencoder Make(ParameterFactory parameters) => new TopAfaAutoencoder(Sized(TopAfaOptions.Official()), parameters);
}

public class RegularisedTopAfaAutoencoderConformanceTests : AutoencoderConformance
{
    protected override SparseAutoencoder Make(ParameterFactory parameters) => new TopAfaAutoencoder(Sized(TopAfaOptions.Regularised()), parameters);
}

public class SupervisedDictionaryConformanceTests : FeatureDictionaryConformance
{
    protected override long FeatureCount => 4 + 6;

    protected override long ModelDim => 5;

    protected override double? ActiveLimit => 2;

    protected override IReadOnlyList<long>? AttributeSizes => [4, 6];

    protected override IDictionary Create(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var attributes = Attributes(60);
        AttributeBlock[] blocks = [new("a", [0], [4]), new("b+c", [1, 2], [3, 2])];
        return SupervisedDictionary.Fit(Random([60, ModelDim]).to(dtype), attributes, blocks);
    }

    protected override ActivationBatch Batch(long count) => new(Random([count, ModelDim]), Attributes(count));

    private static Tensor Attributes(long count)
    {
        using var random = new Generator(9);
        return stack([randint(0, 4, [count], ScalarType.Int64, generator: random), randint(0, 3, [count], ScalarType.Int64, generator: random), randint(0, 2, [count], ScalarType.Int64, generator: random)], 1);
    }
}
