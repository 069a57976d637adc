using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class SparseAutoencoderTests
{
    private const double Tolerance = 1e-10;

    [Fact]
    public void Rows_that_are_not_finite_are_refused_by_number()
    {
        using var scope = NewDisposeScope();
        using var autoencoder = TopK(InputNormalization.None);
        var x = zeros([3, 4], ScalarType.Float64);
        x[2, 1] = double.NaN;
        Assert.Contains("row 2", Assert.Throws<ArgumentException>(() => autoencoder.Encode(x)).Message, StringComparison.Ordinal);
        x[2, 1] = double.PositiveInfinity;
        Assert.Contains("row 2", Assert.Throws<ArgumentException>(() => autoencoder.Run(x)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(InputNormalization.None)]
    [InlineData(InputNormalization.PerRowStandardize)]
    [InlineData(InputNormalization.ConstantNorm)]
    public void Zero_rows_empty_batches_and_any_leading_axes_work(InputNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var autoencoder = TopK(normalization);
        Assert.True(autoencoder.Reconstruct(zeros([2, 4], ScalarType.Float64)).isfinite().all().item<bool>());
        Assert.Equal([0, 8], autoencoder.Encode(zeros([0, 4], ScalarType.Float64)).shape);
        Assert.Equal([2, 3, 8], autoencoder.Encode(zeros([2, 3, 4], ScalarType.Float64)).shape);
        Assert.Equal([4], autoencoder.Reconstruct(zeros([4], ScalarType.Float64)).shape);
    }

    [Fact]
    public void Equal_values_are_kept_from_the_left_and_zeros_are_not_active()
    {
        using var scope = NewDisposeScope();
        var values = tensor(new[] { 1.0, 2, 2, 2, 0 }).unsqueeze(0);
        Close.Check("ties", tensor(new byte[] { 0, 1, 1, 0, 0 }).unsqueeze(0), FeatureSelection.Largest(values, 2).to(ScalarType.Byte));
        var (counts, mask) = TopAfaSelection.Choose(values, ones([5], ScalarType.Float64), tensor(new[] { Math.Sqrt(8) }));
        Assert.Equal(2, counts[0].item<long>());
        Close.Check("top-AFA ties", tensor(new byte[] { 0, 1, 1, 0, 0 }).unsqueeze(0), mask.to(ScalarType.Byte));
    }

    [Fact]
    public void The_official_sentinel_takes_all_features_near_ten_thousand()
    {
        using var scope = NewDisposeScope();
        var values = tensor(new[] { 5.0, 4, 0, 0 }).unsqueeze(0);
        var norms = ones([4], ScalarType.Float64);
        Assert.Equal(4, TopAfaSelection.Choose(values, norms, tensor(new[] { 6000.0 }), hasOfficialSentinel: true).Counts[0].item<long>());
        Assert.Equal(2, TopAfaSelection.Choose(values, norms, tensor(new[] { 6000.0 })).Counts[0].item<long>());
        Assert.Equal(3, TopAfaSelection.Choose(values, norms, tensor(new[] { 1.0 }), minCount: 3).Counts[0].item<long>());
        Assert.Equal(1, TopAfaSelection.Choose(values, norms, tensor(new[] { 6000.0 }), maxCount: 1).Counts[0].item<long>());
    }

    [Fact]
    public void A_folded_scale_keeps_support_and_divides_norm_scaled_codes()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var autoencoder = Parameters.Make(parameters => new BatchTopKAutoencoder(
            new BatchTopKOptions { ModelDim = 4, FeatureCount = 9, ActiveCount = 2, RescalesByDecoderNorm = true }, parameters));
        autoencoder.get_parameter("W_dec")!.mul_(1.7);
        using var scale = new ActivationScale(3.5);
        var x = Random([50, 4]);
        autoencoder.UpdateThreshold(autoencoder.Run(scale.Apply(x)).Codes);
        autoencoder.eval();
        var before = autoencoder.Encode(scale.Apply(x));
        autoencoder.Fold(scale);
        using var jump = autoencoder.ToJumpRelu();

        Close.Check("folded", before / scale.Factor, autoencoder.Encode(x), absolute: Tolerance);
        Close.Check("exported", before / scale.Factor, jump.Encode(x), absolute: Tolerance);
    }

    [Fact]
    public void A_folded_mean_and_scale_give_the_raw_reconstruction()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var subtracts in (bool[])[true, false])
        {
            using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(
                new VanillaOptions { ModelDim = 4, FeatureCount = 9, SubtractsDecoderBias = subtracts }, parameters));
            autoencoder.get_parameter("b_dec")!.add_(0.3);
            var x = Random([20, 4]) + 2;
            using var scale = ActivationScale.MeanAndScale(x);
            var wanted = autoencoder.Reconstruct(scale.Apply(x)) / scale.Factor + scale.Mean!;
            autoencoder.Fold(scale);
            Close.Check("reconstruction", wanted, autoencoder.Reconstruct(x), absolute: Tolerance);
        }
    }

    [Fact]
    public void Constant_norm_inputs_with_dead_features_train()
    {
        using var scope = NewDisposeScope();
        using var autoencoder = Parameters.Make(parameters => new TopKAutoencoder(
            new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2, InputNormalization = InputNormalization.ConstantNorm, Auxiliary = AuxiliaryKind.SaeLens, AuxiliaryCoefficient = 1 }, parameters));
        using var pass = autoencoder.Run(Random([6, 4]));
        using var loss = autoencoder.Loss(pass, ones([8], ScalarType.Bool));
        loss.Total.backward();
        Assert.True(loss.Terms["aux"].item<double>() > 0);
    }

    [Fact]
    public void Wrong_options_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("ActiveCount", Assert.ThrowsAny<ArgumentException>(() => Parameters.Make(p => new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 0 }, p))).Message, StringComparison.Ordinal);
        Assert.Contains("ModelDim", Assert.ThrowsAny<ArgumentException>(() => Parameters.Make(p => new VanillaAutoencoder(new VanillaOptions { FeatureCount = 8 }, p))).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => new ActivationScale(0));
        Assert.ThrowsAny<ArgumentException>(() => ActivationScale.ExpectedAverage(zeros([2, 3])));
    }

    [Fact]
    public void A_resumed_training_run_repeats_the_uninterrupted_one()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var batches = Enumerable.Range(0, 12).Select(index => Random([16, 4], index)).ToArray();
        var options = new AutoencoderTaskOptions { Steps = 12, LearningRate = 1e-2, DecayShare = 0.3, DeadHorizon = 2, ResampleInterval = 4 };
        var whole = Run(0, 12);
        Run(0, 5, folder["five"]);
        var resumed = Run(5, 12, folder["five"]);
        Assert.Equal(whole[5..], resumed);
        Assert.Equal(12, whole.Distinct().Count());

        double[] Run(int from, int to, string? path = null)
        {
            using var autoencoder = TopK(InputNormalization.None);
            using var task = AutoencoderTask.OnBatches(autoencoder, batches.Select(batch => batch.clone()), options);
            using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = path });
            Assert.Equal(from > 0, path is not null && trainer.Resume());
            var losses = Enumerable.Range(from, to - from).Select(_ => trainer.Advance()!.Loss).ToArray();
            if (path is not null)
                trainer.Save();
            return losses;
        }
    }

    private static TopKAutoencoder TopK(InputNormalization normalization) => Parameters.Make(parameters => new TopKAutoencoder(
        new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2, InputNormalization = normalization }, parameters));

    private static Tensor Random(long[] shape, long seed = 1)
    {
        using var random = new Generator((ulong)seed + 11);
        return randn(shape, ScalarType.Float64, generator: random);
    }
}
