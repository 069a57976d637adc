using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>How far caches and whole models go back, at what size, and what they refuse.</summary>
[NoTensorLeak]
public sealed class CacheRollbackTests
{
    private const long Window = 16;

    [Theory]
    [InlineData("rotary")]
    [InlineData("alibi")]
    [InlineData("none")]
    public void In_single_precision_steps_after_going_back_have_the_bits_of_a_fresh_run(string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2, ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2).AddPositions(positions)
            .AddSlidingWindowMask(window => window.Window = Window, [0]).Build();
        var (text, draft, other) = (Tokens(2, 90, 1), Tokens(2, 6, 2), Tokens(2, 50, 3));
        using var state = model.NewState(2);
        state.ReserveRollback(6);
        using var fresh = model.NewState(2);
        fresh.ReserveRollback(6);
        foreach (var one in new[] { state, fresh })
            _ = Steps(model, one, text);
        _ = Steps(model, state, draft);
        state.Rollback(6);

        Close.Check("steps", Steps(model, fresh, other), Steps(model, state, other));
    }

    [Fact]
    public void A_cache_that_forgets_holds_so_many_more_keys_and_goes_back_no_further()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(1).AddAttention().AddRotary().AddSlidingWindowMask(window => window.Window = Window).Build();
        foreach (var room in new[] { 0L, 1, 40 })
        {
            using var state = (ModelState)model.NewState(1);
            state.ReserveRollback(room);
            var most = 0L;
            for (var step = 0; step < 300; step++)
            {
                model.call(ones(1, 1, dtype: ScalarType.Int64), new SequenceContext(state)).Dispose();
                most = Math.Max(most, ((KeyValueCache)state.Layers[0]).Count);
                Assert.Equal(Math.Min(step + 1, room), state.RollbackRoom);
            }
            Assert.InRange(most, Window + room - 1, Window + room + 32);
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => state.Rollback(room + 1));
            Assert.Contains($"{room + 1} columns cannot be rolled back; this state can take back {room} of the 300", error.Message, StringComparison.Ordinal);
            Assert.Equal(300, state.Position);
            state.Rollback(room);
            Assert.Equal(300 - room, state.Position);
            Assert.Equal(0, state.RollbackRoom);
        }
    }

    [Fact]
    public void A_cache_that_forgets_nothing_goes_back_to_its_start()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2).AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
        var text = Tokens(2, 40, 1);
        using var state = (ModelState)model.NewState(2);
        _ = model.call(Tokens(2, 60, 2), new SequenceContext(state, tensor(Enumerable.Range(0, 120).Select(index => index % 60 < 7 ? -1L : index / 60).ToArray(), [2, 60])));
        Assert.Equal(60, state.RollbackRoom);
        state.Rollback(60);
        using var fresh = model.NewState(2);

        Close.Check("from the start", Steps(model, fresh, text), Steps(model, state, text));
    }

    [Fact]
    public void Learned_positions_go_back_with_the_caches_row_by_row()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2).AddAttention(attention => attention.HeadCount = 2).AddLearnedPositions(64).Build();
        var (text, draft, rest) = (Tokens(2, 12, 1), Tokens(2, 8, 2), Tokens(2, 9, 3));
        var segments = tensor(Enumerable.Range(0, 24).Select(index => index is 0 or 1 or 2 or 20 ? -1L : 0).ToArray(), [2, 12]);
        foreach (var given in new[] { null, segments })
        {
            using var state = model.NewState(2);
            using var fresh = model.NewState(2);
            foreach (var one in new[] { state, fresh })
                _ = model.call(text, new SequenceContext(one, given));
            _ = model.call(draft, new SequenceContext(state));
            state.Rollback(8);
            Close.Check("the rest", Steps(model, fresh, rest), Steps(model, state, rest), absolute: 1e-12);
        }
    }

    [Fact]
    public void A_model_with_a_layer_that_cannot_go_back_refuses_by_its_name_and_no_layer_does()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model(builder =>
            builder.AddRotary().Add(Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim)), layers: [1]));
        using var state = (ModelState)model.NewState(1);
        _ = model.call(Tokens(1, 9, 1), new SequenceContext(state));
        foreach (var refused in new Action[] { () => state.Rollback(1), () => state.ReserveRollback(1) })
            Assert.Contains("layer 1 of this model, a SumState", Assert.Throws<NotSupportedException>(refused).Message, StringComparison.Ordinal);
        Assert.Equal((9, 9, 0), (state.Position, state.Layers[0].Position, state.RollbackRoom));
    }

    [Fact]
    public void A_model_goes_back_no_further_than_each_of_its_layers()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2).AddAttention().AddRotary().AddSlidingWindowMask(window => window.Window = Window, [1]).Build();
        using var state = (ModelState)model.NewState(1);
        state.ReserveRollback(5);
        _ = Steps(model, state, Tokens(1, 80, 1));
        Assert.Equal((80, 5, 5), (state.Layers[0].RollbackRoom, state.Layers[1].RollbackRoom, state.RollbackRoom));
        Assert.Throws<ArgumentOutOfRangeException>(() => state.Rollback(6));
        Assert.All(state.Layers, layer => Assert.Equal(80, layer.Position));
        state.Rollback(5);
        Assert.All(state.Layers, layer => Assert.Equal(75, layer.Position));
    }

    [Fact]
    public void Where_angles_depend_on_the_length_it_goes_back_as_far_as_they_are_the_same()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 12 };
        using var model = ToyModel.Builder(1).AddAttention().AddRotary(rotary => rotary.Scaling = scaling).Build();
        var (text, draft) = (Tokens(1, 12, 1), Tokens(1, 5, 2));
        foreach (var ragged in new[] { false, true })
        {
            using var state = model.NewState(1);
            using var fresh = model.NewState(1);
            _ = model.call(text.narrow(1, 0, 7), new SequenceContext(state, ragged ? full(1, 7, 3L, ScalarType.Int64) : null));
            _ = model.call(draft, new SequenceContext(state));
            Assert.Equal(12, state.RollbackRoom);
            state.Rollback(5);
            Close.Check("within", model.call(text, null).narrow(1, 7, 5), model.call(text.narrow(1, 7, 5), new SequenceContext(state)), absolute: 1e-12);
            _ = model.call(cat([text, draft], 1), new SequenceContext(fresh, ragged ? full(1, 17, 3L, ScalarType.Int64) : null));
            Assert.Equal(0, fresh.RollbackRoom);
        }
    }

    private static Tensor Steps(LanguageModel model, MixerState state, Tensor tokens) =>
        cat([.. tokens.split(1, 1).Select(token => model.call(token, new SequenceContext(state)))], 1);

    private static Tensor Tokens(long rows, long count, ulong seed)
    {
        using var random = new Generator(seed);
        return randint(0, ToyModel.VocabSize, [rows, count], ScalarType.Int64, generator: random);
    }
}
