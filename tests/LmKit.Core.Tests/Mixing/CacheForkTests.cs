using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What a fork of all rows of a cache costs, and who frees what.</summary>
[NoTensorLeak]
public sealed class CacheForkTests
{
    private const long Held = 500;

    [Fact]
    public void Eight_forks_of_a_long_cache_hold_no_memory_of_their_own_until_one_reads_on()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        using var state = (ModelState)model.NewState(2);
        model.call(Tokens(2, Held, 1), new SequenceContext(state)).Dispose();
        var rows = arange(2, dtype: ScalarType.Int64);
        var before = LiveTensors.Count;
        var forks = Enumerable.Range(0, 8).Select(_ => (ModelState)state.Fork(rows)).ToList();
        Assert.Equal(before, LiveTensors.Count);
        var token = Tokens(2, 1, 2);
        var read = LiveTensors.Count;
        model.call(token, new SequenceContext(forks[0])).Dispose();
        Assert.Equal(read + (2 * 2), LiveTensors.Count); // keys and values of two layers

        var own = Address(state);
        Assert.NotEqual(own, Address(forks[0]));
        Assert.All(forks.Skip(1), fork => Assert.Equal(own, Address(fork)));
        forks.ForEach(fork => fork.Dispose());
        model.call(token, new SequenceContext(state)).Dispose();
        Assert.Equal(own, Address(state)); // alone again, it writes in place
    }

    [Fact]
    public void A_fork_of_other_rows_is_a_copy()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        using var state = (ModelState)model.NewState(2);
        model.call(Tokens(2, 9, 1), new SequenceContext(state)).Dispose();
        foreach (var rows in new long[][] { [0], [1, 0], [0, 1, 1] })
        {
            using var fork = (ModelState)state.Fork(tensor(rows));
            Assert.NotEqual(Address(state), Address(fork));
        }
    }

    [Theory]
    [InlineData("origin first")]
    [InlineData("origin last")]
    [InlineData("origin between")]
    public void In_whatever_order_they_are_disposed_who_is_left_goes_on(string order)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        var (text, rest) = (Tokens(2, 40, 1), Tokens(2, 6, 2));
        var expected = model.call(cat([text, rest], 1), null).narrow(1, 40, 6);
        var rows = arange(2, dtype: ScalarType.Int64);
        var state = model.NewState(2);
        model.call(text, new SequenceContext(state)).Dispose();
        var (one, two) = (state.Fork(rows), state.Fork(rows));
        MixerState[] all = order switch { "origin first" => [state, one, two], "origin last" => [two, one, state], _ => [one, state, two] };
        for (var left = 0; left < all.Length; left++)
        {
            Close.Check($"{order}, {left} gone", expected, model.call(rest, new SequenceContext(all[left])), absolute: 1e-11);
            all[left].Dispose();
            all[left].Dispose(); // twice is once
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_the_origin_drops_or_reads_of_other_documents_leaves_the_fork_as_it_was(bool isRagged)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(1).AddAttention(attention => attention.HeadCount = 2).AddRotary().AddSlidingWindowMask(window => window.Window = 16).Build();
        var (text, rest) = (Tokens(1, 30, 1), Tokens(1, 8, 2));
        var segments = isRagged ? full(1, 30, 3L, ScalarType.Int64) : null;
        using var state = model.NewState(1);
        using var fresh = model.NewState(1);
        foreach (var one in new[] { state, fresh })
        {
            // In two calls, so that there is room behind what is held.
            model.call(text.narrow(1, 0, 20), new SequenceContext(one, segments?.narrow(1, 0, 20))).Dispose();
            model.call(text.narrow(1, 20, 10), new SequenceContext(one, segments?.narrow(1, 20, 10))).Dispose();
        }
        using var fork = state.Fork(zeros(1, dtype: ScalarType.Int64));
        model.call(Tokens(1, 3, 3), new SequenceContext(state, isRagged ? full(1, 3, 7L, ScalarType.Int64) : null)).Dispose(); // the 33 are trimmed

        foreach (var token in rest.split(1, 1))
            Close.Check("the fork", model.call(token, new SequenceContext(fresh)), model.call(token, new SequenceContext(fork)), absolute: 1e-12);
    }

    [Fact]
    public void Forks_read_on_side_by_side_on_threads_of_their_own()
    {
        using var frozen = no_grad();
        using var model = Model();
        using var text = Tokens(1, 64, 1);
        using var rows = zeros(1, dtype: ScalarType.Int64);
        for (var round = 0; round < 20; round++)
        {
            using var state = model.NewState(1);
            model.call(text, new SequenceContext(state)).Dispose();
            var forks = Enumerable.Range(0, 4).Select(_ => state.Fork(rows)).ToArray();
            var answers = new double[4];
            var threads = forks.Index().Select(fork => new Thread(() => answers[fork.Index] = Answer(model, fork.Item, fork.Index))).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            for (var index = 0; index < 4; index++)
            {
                using var alone = model.NewState(1);
                model.call(text, new SequenceContext(alone)).Dispose();
                Assert.Equal(Answer(model, alone, index), answers[index]);
            }
        }

        static double Answer(LanguageModel model, MixerState state, int seed)
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using (state)
                return Enumerable.Range(0, 3).Sum(step => model.call(Tokens(1, 2, (ulong)(seed + step + 5)), new SequenceContext(state)).sum().item<double>());
        }
    }

    private static LanguageModel Model() => ToyModel.Builder(2).AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();

    private static nint[] Address(ModelState state) =>
        [.. state.Layers.SelectMany(layer => new[] { "turned_keys", "values" }.Select(name => TensorAddress.Of(layer.Tensors[name])))];

    private static Tensor Tokens(long rows, long count, ulong seed)
    {
        using var random = new Generator(seed);
        return randint(0, ToyModel.VocabSize, [rows, count], ScalarType.Int64, generator: random);
    }
}
