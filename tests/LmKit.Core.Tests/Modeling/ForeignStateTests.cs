using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A state goes on with the layers of the model that made it, so a model takes one only of a model whose layers are alike.</summary>
[NoTensorLeak]
public sealed class ForeignStateTests
{
    private static readonly Dictionary<string, Action<LanguageModelBuilder>> others = new()
    {
        ["a mask"] = builder => builder.AddSlidingWindowMask(mask => mask.Window = 2),
        ["an option of a mask"] = builder => builder.AddSlidingWindowMask(mask => mask.Window = 3, layers: [1]),
        ["positions"] = builder => builder.AddAlibi(),
        ["an option of positions"] = builder => builder.AddRotary(rotary => rotary.Base = 500),
        ["an option of a mixer"] = builder => builder.AddAttention(attention => (attention.HeadCount, attention.SoftCap) = (2, 3)),
    };

    public static TheoryData<string> Others => [.. others.Keys];

    [Theory]
    [MemberData(nameof(Others))]
    public void A_state_from_before_a_change_of_what_it_goes_on_with_is_refused(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = Builder().Build();
        using var state = model.NewState(2);
        _ = model.call(LanguageModelTests.Tokens(2, 5), new SequenceContext(state));
        using var changed = model.With(others[name]);
        var error = Assert.Throws<ArgumentException>(() => changed.call(LanguageModelTests.Tokens(2, 3), new SequenceContext(state)));

        Assert.Contains("The state is of a model with other layers, blocks, mixers, masks or positions", error.Message, StringComparison.Ordinal);
        Assert.Equal(5, state.Position);
    }

    [Fact]
    public void A_state_from_before_a_change_of_something_else_goes_on()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var tokens = LanguageModelTests.Tokens(2, 8);
        var model = Builder().Build();
        using var state = model.NewState(2);
        _ = model.call(tokens.narrow(1, 0, 5), new SequenceContext(state));
        using var changed = model.With(builder => builder.AddAutoregressiveSampler().AddCausalMask().AddSequentialBlock().AddPackedLinear());
        using var fork = state.Fork(arange(2));
        var next = changed.call(tokens.narrow(1, 5, 3), new SequenceContext(fork));

        Assert.True(next.allclose(changed.call(tokens, null).narrow(1, 5, 3), 1e-6, 1e-6));
    }

    private static LanguageModelBuilder Builder() => ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary();
}
