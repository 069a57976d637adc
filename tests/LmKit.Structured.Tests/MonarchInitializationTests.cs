using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

[NoTensorLeak]
public class MonarchInitializationTests
{
    private const double Share = 0.02; // of the standard deviation, over 100 layers of 768 outputs

    [Theory]
    [InlineData(MonarchInitialization.Official, 1 / 3.0)]
    [InlineData(MonarchInitialization.DenseMatched, 0.5773502691896258)]
    public void The_output_has_the_promised_scale(MonarchInitialization initialization, double expected)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(11);
        var squares = 0.0;
        for (ulong draw = 0; draw < 100; draw++)
        {
            using var inner = NewDisposeScope();
            using var linear = Make(768, 768, initialization, hasBias: false, seed: draw);
            squares += linear.call(randn([4, 768], generator: random)).square().mean().ToDouble() / 100;
        }

        Assert.InRange(Math.Sqrt(squares), expected * (1 - Share), expected * (1 + Share));
    }

    [Fact]
    public void Official_entries_stay_within_the_width_of_their_block()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(768, 3072, MonarchInitialization.Official);

        Bounded(linear.get_parameter("blkdiag1")!, 1 / Math.Sqrt(192));
        Bounded(linear.get_parameter("blkdiag2")!, 1 / Math.Sqrt(192));
        Bounded(linear.get_parameter("bias")!, 1 / Math.Sqrt(3072));
    }

    [Theory]
    [InlineData(128, 512, 2, 2)]
    [InlineData(512, 128, 2, 8)]
    public void Mup_scales_the_learning_rate_of_each_factor(long inFeatures, long outFeatures, double first, double second)
    {
        using var linear = Make(inFeatures, outFeatures, MonarchInitialization.MuP);

        Assert.Equal(new ParameterHint(first, Decays: true), linear.Hint("blkdiag1"));
        Assert.Equal(new ParameterHint(second, Decays: true), linear.Hint("blkdiag2"));
        Assert.Equal(new ParameterHint(IsVector: true), linear.Hint("bias"));
        Assert.Null(linear.Hint("weight"));
    }

    [Theory]
    [InlineData(DecayScope.Matrices, false)]
    [InlineData(DecayScope.All, true)]
    public void The_bias_decays_with_the_scope_of_all_only(DecayScope scope, bool decays)
    {
        using var linear = Make(8, 8, MonarchInitialization.Official);

        var group = Assert.Single(DecayGroups.Of(linear, scope), group => group.Parameters.Any(entry => entry.Name == "bias"));

        Assert.Equal(decays, group.Hint.Decays);
    }

    [Fact]
    public void Mup_draws_normal_factors_and_a_zero_bias()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(1024, 256, MonarchInitialization.MuP); // factors (4, 64, 256) and (4, 64, 64)

        Assert.Equal(Math.Sqrt(1 / 256.0) * 0.5, linear.get_parameter("blkdiag1")!.std().ToDouble(), Share * 0.03);
        Assert.Equal(Math.Sqrt(1 / 64.0), linear.get_parameter("blkdiag2")!.std().ToDouble(), Share * 0.12);
        Assert.Equal(0, linear.get_parameter("bias")!.abs().max().ToDouble());
    }

    [Fact]
    public void Official_factors_train_at_the_common_rate()
    {
        using var linear = Make(128, 512, MonarchInitialization.Official);

        Assert.Equal(1, linear.Hint("blkdiag1")!.LearningRateScale);
        Assert.Equal(1, linear.Hint("blkdiag2")!.LearningRateScale);
    }

    private static MonarchLinear Make(long inFeatures, long outFeatures, MonarchInitialization initialization, bool hasBias = true, ulong seed = 1) =>
        new(new MonarchOptions { Initialization = initialization }, Sites.Make(inFeatures, outFeatures, hasBias, ScalarType.Float32, seed));

    private static void Bounded(Tensor parameter, double bound)
    {
        var largest = parameter.abs().max().ToDouble();
        Assert.InRange(largest, 0.95 * bound, bound);
    }
}
