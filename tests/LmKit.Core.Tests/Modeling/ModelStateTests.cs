using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The state of a model whose layers are of two kinds.</summary>
[NoTensorLeak]
public class ModelStateTests
{
    private const double Tolerance = 1e-11;

    [Fact]
    public void It_holds_the_states_of_all_layers_under_their_names()
    {
        using var scope = NewDisposeScope();
        using var model = Hybrid();
        using var state = (ModelState)model.NewState(3);

        Assert.Equal(2, state.Layers.Count);
        Assert.Equal(["cursor", "layers.0.documents", "layers.0.sum", "layers.1.cursor", "layers.1.documents", "layers.1.keys", "layers.1.mask", "layers.1.origin", "layers.1.positions", "layers.1.values"], state.Tensors.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_fork_takes_rows_of_every_layer_and_of_the_positions()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        var tokens = LanguageModelTests.Tokens(3, 10);
        var segments = tensor(new long[] { 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, -1 }, [3, 4]);
        using var state = model.NewState(3);
        _ = model.call(tokens.narrow(1, 0, 4), new SequenceContext(state, segments));
        var rows = tensor(new long[] { 2, 0, 2, 1 });
        using var fork = state.Fork(rows);
        var expected = model.call(tokens.narrow(1, 4, 6), new SequenceContext(state));

        Close.Check("the fork", expected.index_select(0, rows), model.call(tokens.index_select(0, rows).narrow(1, 4, 6), new SequenceContext(fork)), absolute: Tolerance);
        Assert.Equal(10, fork.Position);
    }

    [Fact]
    public void Saved_restored_and_continued_is_continued()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        var tokens = LanguageModelTests.Tokens(2, 9);
        using var state = model.NewState(2);
        _ = model.call(tokens.narrow(1, 0, 4), new SequenceContext(state));
        var saved = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        using var restored = model.NewState(2);
        restored.Restore(saved, state.Position);

        var rest = tokens.narrow(1, 4, 5);
        Close.Check("restored", model.call(rest, new SequenceContext(state)), model.call(rest, new SequenceContext(restored)), absolute: Tolerance);
        Assert.Equal(state.Position, restored.Position);
    }

    [Fact]
    public void A_saved_state_that_lacks_the_cursor_is_refused()
    {
        using var model = Hybrid();
        using var state = model.NewState(2);

        var error = Assert.Throws<ArgumentException>(() => state.Restore(new Dictionary<string, Tensor>(), 0));
        Assert.Contains("cursor", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_of_a_batch_are_independent_from_call_to_call()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Hybrid();
        var tokens = LanguageModelTests.Tokens(3, 8);
        using var state = model.NewState(3);
        _ = model.call(tokens.narrow(1, 0, 5), new SequenceContext(state));
        var together = model.call(tokens.narrow(1, 5, 3), new SequenceContext(state));

        for (var row = 0; row < 3; row++)
            Close.Check($"row {row}", model.call(tokens.narrow(0, row, 1), null).narrow(1, 5, 3), together.narrow(0, row, 1), absolute: Tolerance);
    }

    [Fact]
    public void A_state_of_another_model_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Hybrid();
        using var other = LanguageModelTests.Model(layerCount: 1);
        using var state = other.NewState(1);

        Assert.Throws<ArgumentException>(() => model.call(LanguageModelTests.Tokens(1, 2), new SequenceContext(state)));
    }

    private static LanguageModel Hybrid() => LanguageModelTests.Model(builder =>
        builder.AddLearnedPositions(32).Add(Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim)), layers: [0]));
}
