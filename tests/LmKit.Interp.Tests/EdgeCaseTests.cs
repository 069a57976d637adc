using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The numerical pitfalls of the specification, by table.</summary>
[NoTensorLeak]
public class EdgeCaseTests
{
    [Theory]
    [InlineData(1, 8, 2, 5)] // one dimension: no standard deviation
    [InlineData(4, 3, 9, 5)] // fewer features than are kept
    [InlineData(7, 13, 3, 1)] // one row, odd sizes
    [InlineData(6, 10, 4, 0)] // no row
    public void Any_size_gives_finite_codes_and_reconstructions(long width, long features, long active, long rows)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        var x = randn([rows, width], ScalarType.Float64, generator: random);
        (Kind Kind, SparseAutoencoderOptions Options)[] all =
        [
            (DictionaryComponents.TopK, new TopKOptions { ActiveCount = active }), (DictionaryComponents.BatchTopK, new BatchTopKOptions { ActiveCount = active }),
            (DictionaryComponents.Vanilla, new VanillaOptions()), (DictionaryComponents.JumpRelu, new JumpReluOptions()), (DictionaryComponents.Gated, new GatedOptions()),
            (DictionaryComponents.TopAfa, new TopAfaOptions { MinActiveCount = active }), (DictionaryComponents.BatchTopAfa, new BatchTopAfaOptions()),
        ];
        Assert.Equal(DictionaryComponents.All.Where(kind => kind != DictionaryComponents.Supervised).Select(kind => kind.Name).Order(), all.Select(each => each.Kind.Name).Order());
        foreach (var (kind, options) in all)
        {
            (options.ModelDim, options.FeatureCount, options.InputNormalization) = (width, features, InputNormalization.PerRowStandardize);
            using var autoencoder = Parameters.Make(parameters => (SparseAutoencoder)new DictionaryConfig(kind.Name, kind.Package, OptionsJson.Write(options)).Create(parameters));
            var codes = autoencoder.Encode(x);
            Assert.Equal([rows, features], codes.shape);
            Assert.True(codes.ge(0).all().item<bool>(), kind.Name);
            Assert.True(autoencoder.Reconstruct(x).isfinite().all().item<bool>(), kind.Name);
        }
    }

    [Fact]
    public void A_threshold_learned_on_scaled_inputs_keeps_its_L0_on_raw_ones()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var raw = randn([200, 6], generator: random) * 7;
        using var scale = ActivationScale.ExpectedAverage(raw);
        var scaled = scale.Apply(raw);
        using var autoencoder = new BatchTopKAutoencoder(
            new BatchTopKOptions { ModelDim = 6, FeatureCount = 24, ActiveCount = 2, RescalesByDecoderNorm = true, Constraint = DecoderConstraint.Free }, new ParameterFactory(random));
        using (var task = AutoencoderTask.OnBatches(autoencoder, ActivationEpochs.Of(scaled, 200, 600, random), new() { Steps = 600, LearningRate = 1e-3, DecayShare = 0.5 }))
        using (var trainer = new Trainer(task))
            trainer.Run();
        double Active(SparseAutoencoder dictionary, Tensor x) => dictionary.Encode(x).gt(0).sum(1).to(ScalarType.Float64).mean().item<double>();
        var trained = Active(autoencoder, scaled);
        autoencoder.Fold(scale);
        using var export = autoencoder.ToJumpRelu();
        Assert.InRange(trained, 1.9, 2.1);
        Assert.Equal(trained, Active(export, raw), trained * 0.01);
    }
}
