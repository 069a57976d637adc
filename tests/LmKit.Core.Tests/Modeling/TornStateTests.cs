using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class TornStateTests
{
    [Fact]
    public void A_state_that_a_failed_call_left_part_way_is_refused_and_a_fork_goes_on()
    {
        using var model = Model();
        using var tokens = tensor(new long[] { 1, 2, 3, 4 }, [1, 4]);
        using var rows = tensor(new long[] { 0 });
        using var state = model.NewState(1);
        using var whole = model.call(tokens, new SequenceContext(state));
        using var fork = state.Fork(rows);
        using (model.HookPoints["layers.1.resid_pre"].Attach(_ => throw new InvalidDataException("broken edit")))
            Assert.Throws<InvalidDataException>(() => model.call(tokens, new SequenceContext(state)));
        var error = Assert.Throws<InvalidOperationException>(() => model.call(tokens, new SequenceContext(state)));
        Assert.Contains("fork", error.Message, StringComparison.Ordinal);
        using var fresh = model.NewState(1);
        using var again = model.call(tokens, new SequenceContext(fresh));
        using var expected = model.call(tokens, new SequenceContext(fresh));
        using var continued = model.call(tokens, new SequenceContext(fork));
        Assert.True(expected.allclose(continued));
    }

    [Fact]
    public void A_model_moved_to_another_dtype_after_it_was_built_streams_like_the_whole()
    {
        using var model = Model();
        _ = model.to(ScalarType.Float64);
        using var tokens = tensor(new long[] { 1, 2, 3, 4, 5, 6 }, [1, 6]);
        using var whole = model.call(tokens, null);
        using var state = model.NewState(1);
        var parts = new List<Tensor>();
        for (var column = 0; column < 6; column++)
        {
            using var token = tokens.narrow(1, column, 1);
            parts.Add(model.call(token, new SequenceContext(state)));
        }
        using var joined = cat(parts, 1);
        parts.ForEach(part => part.Dispose());
        Assert.Equal(ScalarType.Float64, joined.dtype);
        Assert.True(whole.allclose(joined, rtol: 1e-10, atol: 1e-10));
    }

    [Fact]
    public void A_built_model_is_in_evaluation_mode()
    {
        using var model = Model();
        Assert.False(model.training);
    }

    private static LanguageModel Model() => new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2 }
        .AddAttention(attention => attention.HeadCount = 2).AddRotary()
        .Build();
}
