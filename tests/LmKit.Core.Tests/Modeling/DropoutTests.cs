using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class DropoutTests
{
    [Fact]
    public void The_same_generator_state_drops_the_same_entries()
    {
        using var scope = NewDisposeScope();
        var x = ones(50, 20);

        Assert.True(Dropped(x, 0.5, 7).IsSame(Dropped(x, 0.5, 7)));
        Assert.False(Dropped(x, 0.5, 7).IsSame(Dropped(x, 0.5, 8)));
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    public void Entries_are_dropped_at_the_rate_and_the_rest_is_scaled_up(double rate)
    {
        using var scope = NewDisposeScope();
        var y = Dropped(full([100, 100], 3.0, ScalarType.Float64), rate, 3);
        var kept = y.masked_select(y.ne(0));

        Assert.InRange(1 - kept.numel() / 10_000.0, rate - 0.02, rate + 0.02);
        Close.Check("kept", full_like(kept, 3 / (1 - rate)), kept, absolute: 1e-12);
    }

    [Fact]
    public void In_evaluation_and_at_rate_zero_it_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        using var dropout = new Dropout(0.5, random);
        using var none = new Dropout(0, random);
        dropout.eval();
        var x = randn(4, 4);

        Assert.True(x.IsSame(dropout.call(x)));
        Assert.True(x.IsSame(none.call(x)));
        LiveTensors.Unchanged("A call", () => dropout.call(x).Dispose());
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.0)]
    public void A_rate_outside_zero_to_one_is_refused(double rate)
    {
        using var random = new Generator(3);

        Assert.ThrowsAny<ArgumentException>(() => new Dropout(rate, random));
    }

    [Fact]
    public void A_training_forward_of_a_model_is_repeatable_from_its_generators_state()
    {
        using var scope = NewDisposeScope();
        using var model = LanguageModelTests.Model(builder =>
        {
            (builder.Options.EmbeddingDropoutRate, builder.Options.ResidualDropoutRate) = (0.2, 0.2);
            builder.AddAttention(a => a.DropoutRate = 0.3);
        });
        model.train();
        var tokens = LanguageModelTests.Tokens(2, 6);
        var at = model.Random.get_state();
        var first = model.call(tokens, null);
        var second = model.call(tokens, null);
        model.Random.set_state(at);

        Assert.False(first.IsSame(second));
        Assert.True(first.IsSame(model.call(tokens, null)));
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void What_is_kept_and_its_factor_are_the_same_bits_in_every_dtype(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(11);
        var x = (rand(64, 9) - 0.5).to(dtype).requires_grad_();
        var kept = rand(x.shape, ScalarType.Float32, generator: random).ge(0.3).to(dtype);
        var y = Dropped(x, 0.3, 11);

        Close.Check("output", x.detach().mul(kept).mul_(1 / (1 - 0.3)), y);
        y.sum().backward();
        Close.Check("gradient", kept.mul_(1 / (1 - 0.3)), x.grad!);
    }

    private static Tensor Dropped(Tensor x, double rate, ulong seed)
    {
        using var random = new Generator(seed);
        using var dropout = new Dropout(rate, random);
        return dropout.call(x);
    }
}
