using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Streams through a bounded cache: very long ones, and ones that go back and on with other tokens.</summary>
[NoTensorLeak]
public sealed class LambdaStreamTests
{
    private const long Window = 64;
    private const long Starts = 4;

    [Fact]
    public void Eight_thousand_tokens_in_pieces_end_as_the_kept_context_alone_does() => Stream(8_000, 512);

    [Fact]
    [Trait("Category", "Long")]
    public void A_million_tokens_in_pieces_end_as_the_kept_context_alone_does() => Stream(1_000_000, 4096);

    // A draft that is rejected: the state before it goes on with other tokens as if it had never been.
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(90)]
    public void A_state_that_was_forked_before_a_draft_goes_on_as_a_run_without_it(int drafted)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(2);
        var (text, draft, other) = (Tokens(300, 1), Tokens(drafted, 2), Tokens(40, 3));
        using var state = model.NewState(1);
        model.call(text, new SequenceContext(state)).Dispose();
        using (var trial = state.Fork(zeros(1, dtype: ScalarType.Int64)))
            model.call(draft, new SequenceContext(trial)).Dispose();
        using var kept = state.Fork(zeros(1, dtype: ScalarType.Int64));
        var after = model.call(other, new SequenceContext(kept));
        using var fresh = model.NewState(1);
        var whole = model.call(cat([text, other], 1), new SequenceContext(fresh)).narrow(1, 300, 40);

        Close.Check("logits", whole, after, absolute: 1e-10);
        Assert.Equal(300, state.Position);
        Close.Check("the state itself", whole, model.call(other, new SequenceContext(state)), absolute: 1e-10);
    }

    // The same draft taken back, without a fork: the caches of both layers hold so many keys more.
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(90)]
    public void A_draft_that_is_taken_back_leaves_the_state_as_a_run_without_it(int drafted)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(2);
        var (text, draft, other) = (Tokens(300, 1), Tokens(drafted, 2), Tokens(40, 3));
        using var state = (ModelState)model.NewState(1);
        state.ReserveRollback(drafted);
        foreach (var piece in text.split(50, 1).Append(draft))
            model.call(piece, new SequenceContext(state)).Dispose();
        Assert.Contains($"{drafted + 1} columns cannot be rolled back; this state can take back {drafted} of", Assert.Throws<ArgumentOutOfRangeException>(() => state.Rollback(drafted + 1)).Message, StringComparison.Ordinal);
        Assert.All(state.Layers.Cast<KeyValueCache>(), cache => Assert.InRange(cache.Count, Starts + Window + drafted - 1, Starts + Window + drafted + 32 + 90));
        state.Rollback(drafted);

        var whole = model.call(cat([text, other], 1), null).narrow(1, 300, 40);
        Close.Check("logits", whole, model.call(other, new SequenceContext(state)), absolute: 1e-12);
    }

    [Fact]
    public void A_stream_saved_under_other_numbers_of_the_mask_is_refused_with_both()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(1);
        using var other = ToyModel.Builder(1).AddAttention(attention => attention.HeadCount = 2).AddRotary().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts + 1)).Build();
        using var state = model.NewState(1);
        using var target = other.NewState(1);
        model.call(Tokens(100, 1), new SequenceContext(state)).Dispose();
        var message = Assert.ThrowsAny<ArgumentException>(() => target.Restore(state.Tensors, state.Position)).Message;

        Assert.Contains("LambdaMask (LocalLength = 64, GlobalLength = 4, DistanceCeiling = 64)", message, StringComparison.Ordinal);
        Assert.Contains("LambdaMask (LocalLength = 64, GlobalLength = 5, DistanceCeiling = 64)", message, StringComparison.Ordinal);
    }

    // One layer: the last tokens see the window and the starting tokens and nothing else, so a text of those says the same.
    private static void Stream(long length, long piece)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(1);
        using var state = (ModelState)model.NewState(1);
        using var random = new Generator(5);
        var start = Tokens(Starts, 6);
        model.call(start, new SequenceContext(state)).Dispose();
        Tensor? last = null;
        Tensor? before = null;
        Tensor? logits = null;
        for (var done = Starts; done < length; done += piece)
        {
            using var inner = NewDisposeScope();
            var next = randint(0, ToyModel.VocabSize, [1, piece], ScalarType.Int64, generator: random);
            var answer = model.call(next, new SequenceContext(state));
            before?.Dispose();
            logits?.Dispose();
            (before, last, logits) = (last, next.DetachFromDisposeScope(), answer.DetachFromDisposeScope());
            Assert.InRange(((KeyValueCache)state.Layers[0]).Count, 0, Starts + Window + 32 + piece);
        }
        using (before)
        using (last)
        using (logits)
        {
            // Positions matter only by their distance, so the kept context may stand right behind the starting tokens once the ceiling holds.
            var kept = cat([start, before!.narrow(1, piece - Window, Window), last!], 1);
            var expected = model.call(kept, null).narrow(1, Starts + Window, piece);
            Close.Check("last piece", expected, logits!, absolute: 1e-5);
        }
    }

    private static LanguageModel Model(int layers) =>
        ToyModel.Builder(layers).AddAttention(attention => attention.HeadCount = 2).AddRotary()
            .AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts)).Build();

    private static Tensor Tokens(long count, ulong seed)
    {
        using var random = new Generator(seed);
        return randint(0, ToyModel.VocabSize, [1, count], ScalarType.Int64, generator: random);
    }
}
