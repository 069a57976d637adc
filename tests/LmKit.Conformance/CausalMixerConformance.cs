using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a causal mixer: those of every mixer, causality, and all that carried state promises.</summary>
public abstract partial class CausalMixerConformance : MixerConformance
{
    private const int StreamedSteps = 50;

    /// <summary>How the state's size depends on the tokens taken in.</summary>
    protected virtual StateGrowth Growth => StateGrowth.Constant;

    /// <summary>For <see cref="StateGrowth.Bounded"/>: a number of tokens after which the size has reached its bound.</summary>
    protected virtual long BoundReachedAt => 256;

    /// <summary>How much an output may move when a later token changes, in float64: 0, or 1e-12 where a transform's rounding is global.</summary>
    protected virtual double CausalTolerance => 0;

    [Fact]
    public void Outputs_ignore_later_tokens()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        Assert.True(mixer.Module.IsCausal);
        var x = Input(2, Length, 1);
        var y = mixer.Module.call(x, null);
        for (var t = 0L; t < Length; t++)
        {
            var changed = x.clone();
            changed.narrow(1, t, 1).add_(1);
            var moved = mixer.Module.call(changed, null);
            Close.Check($"outputs before token {t}", y.narrow(1, 0, t), moved.narrow(1, 0, t), absolute: CausalTolerance);
        }
    }

    [Fact]
    public void However_a_sequence_is_cut_the_outputs_equal_the_whole()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(3, Length, 1);
        var whole = mixer.Module.call(x, null);
        foreach (var cut in Cuts.Of(Length))
        {
            using var state = mixer.Module.NewState(3);
            Same($"cut {string.Join("+", cut)}", Stream(mixer, state, x, cut), whole);
            Assert.Equal(Length, state.Position);
        }
    }

    [Fact]
    public void However_a_sequence_is_cut_the_outputs_equal_the_whole_in_single_precision()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(ScalarType.Float32);
        var x = Input(3, Length, 1).to(ScalarType.Float32);
        var whole = mixer.Module.call(x, null);
        foreach (var cut in Cuts.Of(Length))
        {
            using var state = mixer.Module.NewState(3);
            Close.Check($"cut {string.Join("+", cut)}", whole, Stream(mixer, state, x, cut), absolute: 1e-7, relativeToLargest: SingleTolerance);
        }
    }

    [Fact]
    public void Streaming_with_gradients_on_gives_the_same_outputs()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        var x = Input(2, Length, 1).requires_grad_(true);
        using var state = mixer.Module.NewState(2);
        var streamed = Stream(mixer, state, x, Cuts.At(Length, 3));

        Same("streamed with gradients", streamed, mixer.Module.call(x, null));
        foreach (var (name, held) in state.Tensors)
            Assert.False(held.requires_grad, $"The state's {name} carries a gradient.");
        var gradient = autograd.grad([streamed.square().sum()], [x])[0];
        Assert.True(gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<double>() > 0);
    }

    [Fact]
    public void Two_states_do_not_disturb_each_other()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var (x, z) = (Input(2, Length, 1), Input(2, Length, 2));
        using var first = mixer.Module.NewState(2);
        using var second = mixer.Module.NewState(2);
        var (fromX, fromZ) = (new List<Tensor>(), new List<Tensor>());
        for (var t = 0L; t < Length; t++)
        {
            fromX.Add(mixer.Module.call(x.narrow(1, t, 1), new SequenceContext(first)));
            fromZ.Add(mixer.Module.call(z.narrow(1, t, 1), new SequenceContext(second)));
        }

        Same("first", cat(fromX, 1), mixer.Module.call(x, null));
        Same("second", cat(fromZ, 1), mixer.Module.call(z, null));
    }

    [Fact]
    public void Packed_documents_give_what_they_give_alone_wherever_the_chunks_are_cut() => CheckDocuments(PackedBatch.Several(Length), ScalarType.Float64);

    [Fact]
    public void Packed_documents_give_what_they_give_alone_wherever_the_chunks_are_cut_in_single_precision() =>
        CheckDocuments(PackedBatch.Several(Length), ScalarType.Float32);

    [Fact]
    public void Padding_changes_no_valid_output_wherever_the_chunks_are_cut() => CheckDocuments(PackedBatch.Padded(Length), ScalarType.Float64);

    [Fact]
    public void Padding_changes_no_valid_output_wherever_the_chunks_are_cut_in_single_precision() =>
        CheckDocuments(PackedBatch.Padded(Length), ScalarType.Float32);

    [Fact]
    public void After_packing_and_padding_null_segments_continue_the_last_document()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var next = Input(4, 3, 9);
        foreach (var batch in PackedBatch.Several(Length).Concat(PackedBatch.Padded(Length)))
        {
            var x = batch.Disturb(Input(batch.Rows, batch.Length, 4));
            using var state = mixer.Module.NewState(batch.Rows);
            _ = StreamPacked(mixer, state, x, batch, [5, batch.Length - 5]);
            var continued = mixer.Module.call(next.narrow(0, 0, batch.Rows), new SequenceContext(state));
            for (var row = 0L; row < batch.Rows; row++)
            {
                var past = batch.Documents().LastOrDefault(document => document.Row == row)?.Of(x) ?? x.narrow(0, row, 1).narrow(1, 0, 0);
                var alone = mixer.Module.call(cat([past, next.narrow(0, row, 1)], 1), null);
                Same($"{batch}: row {row} continued", continued.narrow(0, row, 1), alone.narrow(1, past.size(1), 3));
            }
        }
    }

    [Fact]
    public void A_chunk_of_padding_keeps_the_state()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        var padding = full([2, 4, ModelDim], 100.0, ScalarType.Float64);
        var isPadding = full([2, 4], -1L, ScalarType.Int64);
        using var state = mixer.Module.NewState(2);
        var pieces = new List<Tensor>();
        foreach (var t in new[] { 0L, 5, 10 })
        {
            pieces.Add(mixer.Module.call(x.narrow(1, t, 5), new SequenceContext(state)));
            _ = mixer.Module.call(padding, new SequenceContext(state, isPadding));
        }

        Same("outputs around padding", cat(pieces, 1), mixer.Module.call(x, null).narrow(1, 0, 15));
        Assert.Equal(15 + 3 * 4, state.Position);
    }

    [Fact]
    public void A_fork_is_a_copy_that_goes_its_own_way()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var (x, other) = (Input(3, Length, 1), Input(3, Length, 2));
        var whole = mixer.Module.call(x, null);
        using var state = mixer.Module.NewState(3);
        _ = mixer.Module.call(x.narrow(1, 0, 6), new SequenceContext(state));
        using var fork = state.Fork(tensor(new long[] { 0, 1, 2 }));
        Assert.Equal(state.Position, fork.Position);

        _ = mixer.Module.call(other, new SequenceContext(state));
        Same("the fork, after the original went elsewhere", Rest(fork), whole.narrow(1, 6, Length - 6));
        using var again = mixer.Module.NewState(3);
        _ = mixer.Module.call(x.narrow(1, 0, 6), new SequenceContext(again));
        using (var dropped = again.Fork(tensor(new long[] { 0, 1, 2 })))
            _ = mixer.Module.call(other, new SequenceContext(dropped));
        Same("the original, after its fork went elsewhere and was disposed", Rest(again), whole.narrow(1, 6, Length - 6));

        Tensor Rest(MixerState from) => mixer.Module.call(x.narrow(1, 6, Length - 6), new SequenceContext(from));
    }

    [Theory]
    [InlineData(new long[] { 2, 0, 1 })]
    [InlineData(new long[] { 1, 1, 0, 2, 1 })]
    [InlineData(new long[] { 2 })]
    public void A_fork_reorders_and_repeats_rows(long[] rows)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(3, Length, 1);
        var index = tensor(rows);
        var segments = tensor(new long[] { 0, 0, 0, -1, -1, 0, 0, 1, 0, 0, -1, 0 }, [3, 4]);
        using var state = mixer.Module.NewState(3);
        _ = mixer.Module.call(x.narrow(1, 0, 4), new SequenceContext(state, segments));
        using var fork = state.Fork(index);

        var expected = mixer.Module.call(x.narrow(1, 4, Length - 4), new SequenceContext(state));
        var forked = mixer.Module.call(x.index_select(0, index).narrow(1, 4, Length - 4), new SequenceContext(fork));

        Same($"rows {string.Join(",", rows)}", forked, expected.index_select(0, index));
    }

    [Fact]
    public void A_state_saved_and_restored_goes_on_as_if_it_had_stayed()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(3, Length, 1);
        var segments = tensor(new long[] { 0, 0, 0, -1, -1, 0, 0, 1, 0, 0, 0, 0 }, [3, 4]);
        foreach (var first in new[] { null, segments })
        {
            using var state = mixer.Module.NewState(3);
            _ = mixer.Module.call(x.narrow(1, 0, 4), new SequenceContext(state, first));
            var saved = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
            using var restored = mixer.Module.NewState(3);
            _ = mixer.Module.call(x.narrow(1, 9, 2), new SequenceContext(restored));
            restored.Restore(saved, state.Position);
            foreach (var value in saved.Values)
                value.zero_();

            Assert.Equal(state.Position, restored.Position);
            var rest = x.narrow(1, 4, Length - 4);
            Same("restored", mixer.Module.call(rest, new SequenceContext(restored)), mixer.Module.call(rest, new SequenceContext(state)));
        }
    }

    [Fact]
    public void Restoring_from_tensors_that_lack_one_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        using var state = mixer.Module.NewState(2);
        var saved = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        foreach (var name in saved.Keys.ToArray())
        {
            var fewer = saved.Where(pair => pair.Key != name).ToDictionary(pair => pair.Key, pair => pair.Value);
            var error = Assert.ThrowsAny<ArgumentException>(() => state.Restore(fewer, 0));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void State_grows_as_promised()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        using var state = mixer.Module.NewState(2);
        var sizes = new List<long> { Bytes(state) };
        var x = Input(2, 1, 1);
        var steps = Growth == StateGrowth.Bounded ? 2 * BoundReachedAt : 3 * 16;
        for (var step = 0; step < steps; step++)
        {
            mixer.Module.call(x, new SequenceContext(state)).Dispose();
            sizes.Add(Bytes(state));
        }

        switch (Growth)
        {
            case StateGrowth.Constant:
                Assert.All(sizes, size => Assert.Equal(sizes[0], size));
                break;
            case StateGrowth.Linear:
                Assert.True(sizes[1] > sizes[0]);
                Assert.All(sizes.Index(), entry => Assert.Equal(sizes[0] + entry.Index * (sizes[1] - sizes[0]), entry.Item));
                break;
            default:
                var bound = sizes.Take((int)BoundReachedAt).Max();
                Assert.All(sizes, size => Assert.True(size <= bound, $"The state grew to {size} bytes, beyond the {bound} of its first {BoundReachedAt} tokens."));
                break;
        }
    }

    [Fact]
    public void No_new_tokens_leave_the_state_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        using var state = mixer.Module.NewState(2);
        var none = x.narrow(1, 0, 0);
        Assert.Equal([2, 0, ModelDim], mixer.Module.call(none, new SequenceContext(state)).shape);
        var first = mixer.Module.call(x.narrow(1, 0, 5), new SequenceContext(state));
        Assert.Equal([2, 0, ModelDim], mixer.Module.call(none, new SequenceContext(state)).shape);
        Assert.Equal(5, state.Position);
        var second = mixer.Module.call(x.narrow(1, 5, Length - 5), new SequenceContext(state));

        Same("around nothing", cat([first, second], 1), mixer.Module.call(x, null));
    }

    [Fact]
    public void A_refused_call_leaves_the_state_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        using var state = mixer.Module.NewState(2);
        var first = mixer.Module.call(x.narrow(1, 0, 5), new SequenceContext(state));
        Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(Input(3, 2, 1), new SequenceContext(state)));
        Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(zeros(2, 2, ModelDim + 1, dtype: ScalarType.Float64), new SequenceContext(state)));
        Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(Input(2, 2, 1), new SequenceContext(state, zeros(2, 3, dtype: ScalarType.Int64))));
        Assert.Equal(5, state.Position);
        var second = mixer.Module.call(x.narrow(1, 5, Length - 5), new SequenceContext(state));

        Same("around refusals", cat([first, second], 1), mixer.Module.call(x, null));
    }

    [Fact]
    public void A_state_of_another_kind_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        using var foreign = new ForeignState();

        var error = Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(Input(1, 2, 1), new SequenceContext(foreign)));

        Assert.Contains(nameof(ForeignState), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Streaming_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        var x = Input(2, 1, 1);
        LiveTensors.Unchanged("A state's whole life", () =>
        {
            using var inner = NewDisposeScope();
            using var state = mixer.Module.NewState(2);
            _ = mixer.Module.call(x, new SequenceContext(state));
            _ = Bytes(state);
            using var fork = state.Fork(tensor(new long[] { 1 }));
            fork.Restore(fork.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone()), fork.Position);
        });
        using var streamed = mixer.Module.NewState(2);
        for (var step = 0; step < 3; step++)
            mixer.Module.call(x, new SequenceContext(streamed)).Dispose();
        LiveTensors.Unchanged($"{StreamedSteps} streamed steps", () =>
        {
            for (var step = 0; step < StreamedSteps; step++)
                mixer.Module.call(x, new SequenceContext(streamed)).Dispose();
        });
    }

    [Fact]
    public void A_state_made_and_advanced_inside_a_dispose_scope_outlives_it()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        MixerState state;
        using (NewDisposeScope())
        {
            state = mixer.Module.NewState(2);
            _ = mixer.Module.call(x.narrow(1, 0, 5), new SequenceContext(state));
        }
        using (state)
        {
            var rest = mixer.Module.call(x.narrow(1, 5, Length - 5), new SequenceContext(state));
            Same("the rest", rest, mixer.Module.call(x, null).narrow(1, 5, Length - 5));
        }
    }

    private void CheckDocuments(IReadOnlyList<PackedBatch> batches, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(dtype);
        foreach (var batch in batches)
            CheckDocuments(mixer, batch, dtype);
    }

    private void CheckDocuments(Subject<IMixer> mixer, PackedBatch batch, ScalarType dtype)
    {
        var x = batch.Disturb(Input(batch.Rows, batch.Length, 2, dtype));
        var alone = batch.Documents().Select(document => (document, mixer.Module.call(document.Of(x), null))).ToList();
        foreach (var cut in Cuts.Of(batch.Length))
        {
            using var state = mixer.Module.NewState(batch.Rows);
            var streamed = StreamPacked(mixer, state, x, batch, cut);
            Assert.True(streamed.isfinite().all().item<bool>(), $"{batch}: an output is not finite.");
            foreach (var (document, expected) in alone)
                Same($"{batch}, cut {string.Join("+", cut)}: {document}", document.Of(streamed), expected);
        }
    }

    private static Tensor Stream(Subject<IMixer> mixer, MixerState state, Tensor x, long[] cut)
    {
        var (pieces, start) = (new List<Tensor>(), 0L);
        foreach (var length in cut)
        {
            pieces.Add(mixer.Module.call(x.narrow(1, start, length), new SequenceContext(state)));
            start += length;
        }
        return cat(pieces, 1);
    }

    private static Tensor StreamPacked(Subject<IMixer> mixer, MixerState state, Tensor x, PackedBatch batch, long[] cut)
    {
        var (pieces, start) = (new List<Tensor>(), 0L);
        foreach (var length in cut)
        {
            pieces.Add(mixer.Module.call(x.narrow(1, start, length), new SequenceContext(state, batch.Segments(start, length))));
            start += length;
        }
        return cat(pieces, 1);
    }

    private static long Bytes(MixerState state) => state.Tensors.Values.Sum(tensor => tensor.numel() * tensor.ElementSize);

    private sealed class ForeignState : MixerState
    {
        public override IReadOnlyDictionary<string, Tensor> Tensors { get; } = new Dictionary<string, Tensor>();

        public override MixerState Fork(Tensor rows) => new ForeignState();

        public override void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position) => Position = position;

        public override void Dispose()
        {
        }
    }
}
