using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class BatchTopAfaTests
{
    [Fact]
    public void The_kept_mass_is_the_nearest_to_the_inputs_of_all_thresholds()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var autoencoder = Make();
        autoencoder.train();
        var x = Random([9, 4]) * 0.7;
        var codes = autoencoder.Encode(x);
        var target = x.square().sum().item<double>();
        var all = (x.mm(autoencoder.get_parameter("W_enc")!).relu() * autoencoder.get_parameter("W_dec")!.norm(1)).square().reshape(-1);
        var sums = all.sort(0, descending: true).Values.cumsum(0);
        Assert.Equal((sums - target).abs().min().item<double>(), Math.Abs(codes.square().sum().item<double>() - target), 9);
        Assert.True(codes.eq(0).any().item<bool>() && codes.gt(0).any().item<bool>());
    }

    [Fact]
    public void Its_export_has_the_same_codes_as_its_threshold()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var autoencoder = Make();
        Assert.Throws<InvalidOperationException>(() => autoencoder.ToJumpRelu());
        autoencoder.train();
        var x = Random([30, 4]);
        for (var step = 0; step < 400; step++)
            autoencoder.UpdateThreshold(autoencoder.Encode(x));
        autoencoder.eval();
        using var export = autoencoder.ToJumpRelu();
        Close.Check("codes", autoencoder.Encode(x), export.Encode(x), absolute: 1e-9);
        Close.Check("output", autoencoder.Reconstruct(x), export.Reconstruct(x), absolute: 1e-9);

        // Folding a scale keeps the support and moves thresholds with it.
        using var scale = new ActivationScale(3);
        var before = autoencoder.Encode(scale.Apply(x));
        autoencoder.Fold(scale);
        Close.Check("folded", before / 3, autoencoder.Encode(x), absolute: 1e-9);
    }

    [Fact]
    public void Tolerance_keeps_the_fewest_features_that_come_near_enough()
    {
        using var scope = NewDisposeScope();
        var codes = tensor(new[] { 3.0, 1, 1, 1, 1 }).unsqueeze(0);
        var (norms, target) = (ones(5, ScalarType.Float64), tensor(new[] { Math.Sqrt(12) }));
        long Count(double tolerance) => TopAfaSelection.Choose(codes, norms, target, tolerance: tolerance).Counts.item<long>();
        Assert.Equal(4, Count(0));
        Assert.Equal(3, Count(0.05));
        Assert.Equal(1, Count(0.2));
        Assert.Equal(4, Count(0.001));
    }

    [Fact]
    public void A_reconstructed_target_is_the_norm_of_all_features_together()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var autoencoder = Parameters.Make(parameters => new TopAfaAutoencoder(
            new TopAfaOptions { ModelDim = 4, FeatureCount = 10, SelectionTarget = AfaTarget.Reconstructed, UsesEncoderBias = false }, parameters));
        var x = Random([6, 4]);
        var dense = x.mm(autoencoder.get_parameter("W_enc")!).relu();
        var rows = autoencoder.get_parameter("W_dec")!;
        var (_, mask) = TopAfaSelection.Choose(dense, rows.norm(1), dense.mm(rows).norm(1));
        Close.Check("codes", dense * mask, autoencoder.Encode(x));
    }

    private static BatchTopAfaAutoencoder Make()
    {
        var autoencoder = Parameters.Make(parameters => new BatchTopAfaAutoencoder(new BatchTopAfaOptions { ModelDim = 4, FeatureCount = 10 }, parameters));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        autoencoder.get_parameter("W_dec")!.mul_(Random([10, 1]).abs() + 0.5);
        return autoencoder;
    }

    private static Tensor Random(long[] shape)
    {
        using var random = new Generator(21);
        return randn(shape, ScalarType.Float64, generator: random);
    }
}
