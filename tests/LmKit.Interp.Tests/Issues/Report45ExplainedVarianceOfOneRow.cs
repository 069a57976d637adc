using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The explained variance of one row was minus infinity; whatever has nothing to divide by is NaN or an error.</summary>
[NoTensorLeak]
public sealed class Report45ExplainedVarianceOfOneRow
{
    [Theory]
    [InlineData(new[] { 1.0, 2 }, new[] { 1.0, 3 }, 1)]
    [InlineData(new[] { .1, .7, .1, .7, .1, .7 }, new[] { 1.0, 3, 1, 2, 5, 6 }, 3)] // alike up to rounding
    [InlineData(new[] { 0.0, 0, 0, 0 }, new[] { 1.0, 3, 1, 2 }, 2)]
    [InlineData(new[] { 1.0, 2 }, new[] { 1.0, 2 }, 1)]
    public void Rows_all_alike_have_no_variance_to_explain(double[] input, double[] output, int rows)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32, ScalarType.BFloat16 })
        {
            var quality = ReconstructionQuality.Of(tensor(input, [rows, input.Length / rows]).to(dtype), tensor(output, [rows, output.Length / rows]).to(dtype));

            Assert.True(double.IsNaN(quality.ExplainedVariance), $"{quality}");
            Assert.True(double.IsNaN(quality.LegacyExplainedVariance), $"{quality}");
            Assert.True(double.IsNaN(quality.UnexplainedFraction), $"{quality}");
            Assert.True(double.IsNaN(quality.VarianceShare), $"{quality}");
            Assert.Equal(input.All(value => value == 0), double.IsNaN(quality.NormalizedError));
            Assert.True(double.IsFinite(quality.MeanSquaredError));
        }
    }

    [Fact]
    public void Rows_that_differ_keep_their_figures()
    {
        using var scope = NewDisposeScope();
        var quality = ReconstructionQuality.Of(tensor(new[] { 1.0, 2, 3, 6 }, [2, 2]), tensor(new[] { 1.0, 3, 3, 6 }, [2, 2]));

        Assert.Equal((1 - .5 / 5, 1 - (1 / 5.0) / 2, .5 / 5), (quality.ExplainedVariance, quality.LegacyExplainedVariance, quality.UnexplainedFraction));
        Assert.Equal(1 - .5 / 10, quality.VarianceShare, 1e-12);
        Assert.Equal(1 / 5.0 / 2, quality.NormalizedError, 1e-12);
    }

    [Fact]
    public void A_row_at_the_mean_or_at_zero_gives_NaN_for_the_figures_that_divide_by_it()
    {
        using var scope = NewDisposeScope();
        var quality = ReconstructionQuality.Of(tensor(new[] { -1.0, 0, 1 }, [3, 1]), tensor(new[] { -1.0, .5, 1 }, [3, 1]));

        Assert.True(double.IsNaN(quality.LegacyExplainedVariance) && double.IsNaN(quality.NormalizedError));
        Assert.Equal(1 - .25 / 2, quality.ExplainedVariance, 1e-12);
    }

    [Fact]
    public void Nothing_to_measure_and_shapes_that_differ_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.Throws<ArgumentException>(() => ReconstructionQuality.Of(zeros(0, 3), zeros(0, 3)));
        Assert.Throws<ArgumentException>(() => ReconstructionQuality.Of(zeros(4, 3), zeros(1, 3)));
        Assert.Throws<ArgumentException>(() => ReconstructionQuality.Of(zeros(3), zeros(3)));
    }

    [Fact]
    public void No_other_figure_is_infinite_either()
    {
        using var scope = NewDisposeScope();
        var same = new SpliceQuality(2.5, 2.7, 2.5, 2.5 + 1e-15, .1, 0, 1e-18);
        Assert.All([same.LossRecovered, same.LossRecoveredFromMean, same.DivergenceRecovered, same.DivergenceRecoveredFromMean], value => Assert.True(double.IsNaN(value), $"{value}"));
        Assert.Equal(.9, new SpliceQuality(2, 2.1, 3, 3, .1, .5, .4).LossRecovered, 1e-12);

        foreach (var score in new[] { LogitDifferenceScore.Of(0, 0, 1), LogitDifferenceScore.Of(2, 2, 1), LogitDifferenceScore.Of(0, 1, 1) })
        {
            Assert.All([score.Sufficiency, score.Recovered, score.SignedRecovered, score.Necessity], value => Assert.False(double.IsInfinity(value), $"{score}"));
            Assert.True(double.IsNaN(score.Recovered) == score.IsIllConditioned, $"{score}");
        }

        Assert.True(double.IsNaN(FeatureRecovery.Correlation(full(3, .1), tensor(new[] { 1.0, 2, 3 }))));
        Assert.True(double.IsNaN(FeatureRecovery.Correlation(tensor(new[] { 1.0 }), tensor(new[] { 2.0 }))));
        Assert.Equal(1, FeatureRecovery.Correlation(tensor(new[] { 1.0, 2, 3 }), tensor(new[] { 10.0, 20, 30 })), 1e-12);

        var table = new ZfTable();
        table.Add(0, zeros(1, 2), tensor(new[] { 1f, 0 }, [1, 2]), eye(2), ones(2), ones(1, 2));
        table.Add(0, ones(1, 2), tensor(new[] { 1f, 0 }, [1, 2]), eye(2), ones(2), ones(1, 2));
        Assert.True(double.IsNaN(table.Rows[0].NormalizedError));
        Assert.True(double.IsFinite(table.Medians(0).Ratio));
    }

    [Fact]
    public void One_class_alone_and_features_that_never_fire_have_no_score()
    {
        using var scope = NewDisposeScope();
        using var scores = FeatureScores.Of(tensor(new[] { true, false, true, false }, [2, 2]), zeros([2, 1], ScalarType.Int64), new AttributeBlock("a", [0], [2]));
        foreach (var values in new[] { scores.Precision, scores.Recall, scores.F1 })
            Assert.False(values.isinf().any().ToBoolean());
        Assert.Equal(1, scores.F1[0, 0].item<double>());
        Assert.True(scores.F1.isnan().sum().item<long>() == 3);
    }
}
