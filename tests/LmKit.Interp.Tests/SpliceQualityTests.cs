using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class SpliceQualityTests
{
    private const string Point = "layers.0.resid_post";

    [Fact]
    public void An_exact_dictionary_recovers_everything_and_one_of_zeros_nothing()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(1);
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        var tokens = randint(0, ToyModel.VocabSize, [3, 7], ScalarType.Int64, generator: random);
        var width = ToyModel.ModelDim;
        using var exact = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = width, FeatureCount = 2 * width }, parameters));
        // relu(x) - relu(-x) = x.
        var basis = eye(width, dtype: ScalarType.Float64);
        exact.get_parameter("W_dec")!.copy_(cat([basis, -basis], 0));
        exact.get_parameter("W_enc")!.copy_(cat([basis, -basis], 1));
        var found = SpliceQuality.Measure(model, Point, exact, tokens);
        Assert.Equal(1, found.LossRecovered, 9);
        Assert.Equal(1, found.DivergenceRecovered, 9);
        Assert.Equal(found.CleanLoss, NextTokenLoss.Of(model, tokens).Sum.item<double>() / 18, 9);
        Assert.True(found.ZeroDivergence > 1e-6 && found.MeanDivergence > 1e-6);

        exact.get_parameter("W_dec")!.zero_();
        var empty = SpliceQuality.Measure(model, Point, exact, tokens);
        Assert.Equal(0, empty.LossRecovered, 9);
        Assert.Equal(0, empty.DivergenceRecovered, 9);
        Assert.Throws<ArgumentException>(() => SpliceQuality.Measure(model, Point, exact, tokens.narrow(1, 0, 1)));
    }

    [Fact]
    public void Each_score_has_the_error_that_leaving_windows_out_shows()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        var tokens = randint(0, ToyModel.VocabSize, [24, 5], ScalarType.Int64, generator: random);
        using var rough = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = ToyModel.ModelDim, FeatureCount = 3 * ToyModel.ModelDim }, parameters));
        var whole = SpliceQuality.Measure(model, Point, rough, tokens);
        var others = Enumerable.Range(0, 24).Select(left => SpliceQuality.Measure(model, Point, rough, tokens.index_select(0, tensor(Enumerable.Range(0, 24).Where(row => row != left).Select(row => (long)row).ToArray())))).ToArray();
        Assert.Equal((24, 96), (whole.Errors!.WindowCount, whole.Errors.PredictionCount));
        Check(quality => quality.CleanLoss, whole.Errors.CleanLoss);
        Check(quality => quality.SplicedDivergence, whole.Errors.SplicedDivergence);
        Check(quality => quality.LossRecovered, whole.Errors.LossRecovered);
        Check(quality => quality.DivergenceRecovered, whole.Errors.DivergenceRecovered);
        Assert.Contains("24 windows, 96 predictions", whole.ToString(), StringComparison.Ordinal);
        Assert.Contains("+- ", whole.ToString(), StringComparison.Ordinal);

        // The jackknife: sqrt((n - 1) / n sum (x_i - mean)^2).
        void Check(Func<SpliceQuality, double> figure, double error)
        {
            var values = others.Select(figure).ToArray();
            var jackknife = Math.Sqrt(23.0 / 24 * values.Sum(value => Math.Pow(value - values.Average(), 2)));
            Assert.InRange(error / jackknife, 0.8, 1.2);
        }
    }
}
