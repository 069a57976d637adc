using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of going back: a state that can is then as it was before the columns that it takes back, and one that cannot says so.</summary>
public abstract partial class CausalMixerConformance
{
    private const long Room = 9;
    private const long Read = 71; // enough for a bounded state to have dropped something

    [Fact]
    public void A_state_that_went_back_gives_what_it_gives_without_what_it_took_back()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        if (!CanRollBack(mixer))
            return;
        var (x, draft) = (Input(3, Read + 20, 1), Input(3, Room, 2));
        var whole = mixer.Module.call(x, null);
        foreach (var before in new[] { 4, 33, Read })
        {
            foreach (var (drafted, taken) in new[] { (1L, 1L), (Room, Room), (4, 2), (3, Room), (0, 4) })
            {
                using var state = mixer.Module.NewState(3);
                state.ReserveRollback(Room);
                _ = Stream(mixer, state, x.narrow(1, 0, before), Cuts.At(before, 7));
                _ = Stream(mixer, state, draft.narrow(1, 0, drafted), [0, .. Cuts.At(drafted, 3)]);
                var back = Math.Min(taken, state.RollbackRoom);
                state.Rollback(back);
                var from = before - Math.Max(0, back - drafted); // of the draft, what was not taken back stays
                Assert.Equal(before + drafted - back, state.Position);
                if (back >= drafted)
                {
                    Same($"{before} read, {drafted} drafted, {back} taken back", mixer.Module.call(x.narrow(1, from, 15), new SequenceContext(state)), whole.narrow(1, from, 15));
                    continue;
                }
                var kept = cat([x.narrow(1, 0, before), draft.narrow(1, 0, drafted - back), x.narrow(1, before, 15)], 1);
                var expected = mixer.Module.call(kept, null).narrow(1, before + drafted - back, 15);
                Same($"{before} read, {drafted} drafted, {back} taken back", mixer.Module.call(x.narrow(1, before, 15), new SequenceContext(state)), expected);
            }
        }
    }

    [Fact]
    public void A_state_may_go_back_after_every_call_over_documents_and_padding()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        if (!CanRollBack(mixer))
            return;
        foreach (var batch in PackedBatch.Several(Read).Concat(PackedBatch.Padded(Read)))
        {
            var x = batch.Disturb(Input(batch.Rows, batch.Length, 2));
            using var state = mixer.Module.NewState(batch.Rows);
            state.ReserveRollback(Room);
            var random = new Random(5);
            var outputs = zeros_like(x);
            for (var at = 0L; at < batch.Length;)
            {
                var length = Math.Min(random.NextInt64(1, 8), batch.Length - at);
                outputs.narrow(1, at, length).copy_(mixer.Module.call(x.narrow(1, at, length), new SequenceContext(state, batch.Segments(at, length))));
                at += length;
                var back = random.Next(3) == 0 ? random.NextInt64(0, Math.Min(length, state.RollbackRoom)) : 0;
                state.Rollback(back);
                at -= back;
                Assert.Equal(at, state.Position);
            }
            foreach (var document in batch.Documents())
                Same($"{batch}: {document}", document.Of(outputs), mixer.Module.call(document.Of(x), null));
        }
    }

    [Fact]
    public void Going_back_further_than_the_room_or_at_all_where_it_cannot_is_refused_and_changes_nothing()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Read + 5, 1);
        using var state = mixer.Module.NewState(2);
        var isAble = state.CanRollBack;
        if (isAble)
            state.ReserveRollback(Room);
        _ = Stream(mixer, state, x.narrow(1, 0, Read), Cuts.At(Read, 2));
        var held = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => state.Rollback(-1));
        Assert.ThrowsAny<ArgumentOutOfRangeException>(() => state.ReserveRollback(-1));
        state.Rollback(0);
        if (isAble)
        {
            Assert.InRange(state.RollbackRoom, Room, Read);
            var error = Assert.ThrowsAny<ArgumentOutOfRangeException>(() => state.Rollback(state.RollbackRoom + 1));
            Assert.Contains($"{state.RollbackRoom + 1} columns", error.Message, StringComparison.Ordinal);
            Assert.Contains($"take back {state.RollbackRoom} of", error.Message, StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(0, state.RollbackRoom);
            state.ReserveRollback(0);
            foreach (var refused in new Action[] { () => state.Rollback(1), () => state.ReserveRollback(1) })
                Assert.Contains(state.GetType().Name, Assert.ThrowsAny<NotSupportedException>(refused).Message, StringComparison.Ordinal);
        }
        Assert.Equal(Read, state.Position);
        foreach (var (name, value) in state.Tensors)
            Close.Check(name, held[name], value);
        var rest = x.narrow(1, Read, 5);
        Same("the rest", mixer.Module.call(rest, new SequenceContext(state)), mixer.Module.call(x, null).narrow(1, Read, 5));
    }

    [Fact]
    public void A_state_that_went_back_is_forked_and_saved_like_any_other()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        if (!CanRollBack(mixer))
            return;
        var (x, draft) = (Input(3, Read + 8, 1), Input(3, Room, 2));
        using var state = mixer.Module.NewState(3);
        state.ReserveRollback(Room);
        _ = mixer.Module.call(x.narrow(1, 0, Read), new SequenceContext(state));
        using var before = state.Fork(arange(3, dtype: ScalarType.Int64));
        _ = mixer.Module.call(draft, new SequenceContext(state));
        using var read = state.Fork(arange(3, dtype: ScalarType.Int64)); // shares what the origin then takes back and writes anew
        state.Rollback(Room);
        using var fork = state.Fork(tensor(new long[] { 0, 1, 2 }));
        using var some = state.Fork(tensor(new long[] { 2, 0 }));
        using var restored = mixer.Module.NewState(3);
        restored.Restore(state.Tensors, state.Position);
        var rest = x.narrow(1, Read, 8);
        var expected = mixer.Module.call(x, null).narrow(1, Read, 8);

        Same("itself", mixer.Module.call(rest, new SequenceContext(state)), expected);
        Same("a fork", mixer.Module.call(rest, new SequenceContext(fork)), expected);
        Same("a fork of some rows", mixer.Module.call(rest.index_select(0, tensor(new long[] { 2, 0 })), new SequenceContext(some)), expected.index_select(0, tensor(new long[] { 2, 0 })));
        Same("restored", mixer.Module.call(rest, new SequenceContext(restored)), expected);
        Same("a fork from before the draft", mixer.Module.call(rest, new SequenceContext(before)), expected);
        Same("a fork with the draft", mixer.Module.call(rest, new SequenceContext(read)), mixer.Module.call(cat([x.narrow(1, 0, Read), draft, rest], 1), null).narrow(1, Read + Room, 8));
        read.Rollback(Room + 8 - (Room - 1)); // it has the room of its origin
        Assert.Equal(Read + Room - 1, read.Position);
    }

    [Fact]
    public void A_restored_state_goes_back_as_far_as_the_saved_one_could()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        if (!CanRollBack(mixer))
            return;
        var x = Input(2, Read, 1);
        var whole = mixer.Module.call(x, null);
        using var state = mixer.Module.NewState(2);
        state.ReserveRollback(Room);
        _ = Stream(mixer, state, x.narrow(1, 0, Read - 5), Cuts.At(Read - 5, 1));
        using var restored = mixer.Module.NewState(2);
        restored.ReserveRollback(Room);
        restored.Restore(state.Tensors, state.Position);

        Assert.Equal(state.RollbackRoom, restored.RollbackRoom);
        restored.Rollback(Room);
        Same("after going back", mixer.Module.call(x.narrow(1, Read - 5 - Room, Room + 5), new SequenceContext(restored)), whole.narrow(1, Read - 5 - Room, Room + 5));
    }

    private static bool CanRollBack(Subject<IMixer> mixer)
    {
        using var state = mixer.Module.NewState(1);
        return state.CanRollBack;
    }
}
