using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class StatePassingTests
{
    private const double Tolerance = 1e-10;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(50)]
    [InlineData(64)]
    [InlineData(100)]
    [InlineData(200)]
    public void Any_chunk_gives_the_outputs_end_state_and_gradients_of_the_whole(long chunk)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(8), 3, new ParameterFactory(random, ScalarType.Float64));
        var u = randn([2, 3, 100], ScalarType.Float64, generator: random).requires_grad_(true);
        var state = randn([2, 3, 4], ScalarType.ComplexFloat64, generator: random).requires_grad_(true);
        var skip = randn([3], ScalarType.Float64, generator: random).requires_grad_(true);
        Tensor[] leaves = [u, state, skip, .. ssm.parameters()];
        var (weights, end) = (randn([2, 3, 100], ScalarType.Float64, generator: random), randn([2, 3, 4, 2], ScalarType.Float64, generator: random));

        var whole = Pass(0);
        var chunked = Pass(chunk);

        Close.Check("outputs", whole.Output, chunked.Output, absolute: Tolerance);
        Close.Check("end state", whole.State, chunked.State, absolute: Tolerance);
        foreach (var (index, (expected, actual)) in whole.Gradients.Zip(chunked.Gradients).Index())
            Close.Check($"gradient {index}", expected, actual, absolute: Tolerance);

        (Tensor Output, Tensor State, IList<Tensor> Gradients) Pass(long chunkLength)
        {
            var (y, after) = ssm.Run(u, state, skip, chunkLength);
            return (y, after, autograd.grad([(y * weights).sum() + (view_as_real(after) * end).sum()], leaves));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(50)]
    [InlineData(64)]
    [InlineData(100)]
    [InlineData(200)]
    public void An_H3_layer_in_chunks_has_the_outputs_end_state_and_gradients_of_the_whole(long chunk)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var x = randn([2, 100, 8], ScalarType.Float64, generator: random).requires_grad_(true);
        var (before, weights) = (randn([2, 5, 8], ScalarType.Float64, generator: random), randn([2, 100, 8], ScalarType.Float64, generator: random));
        foreach (var headDim in new[] { 1, 2 })
        {
            using var whole = ToyH3.Build(new H3Options { StateDim = 8, HeadDim = headDim });
            using var chunked = ToyH3.Build(new H3Options { StateDim = 8, HeadDim = headDim, ChunkLength = chunk });
            foreach (var isContinued in new[] { false, true })
            {
                using var expected = whole.NewState(2);
                using var actual = chunked.NewState(2);
                var (wanted, got) = (Pass(whole, isContinued ? expected : null), Pass(chunked, isContinued ? actual : null));
                foreach (var (name, value) in wanted)
                    Close.Check($"heads of {headDim}, {name}", value, got[name], absolute: Tolerance);
                MixerCases.CheckSame("end", expected, actual, Tolerance);
            }
        }

        Dictionary<string, Tensor> Pass(H3Mixer mixer, MixerState? state)
        {
            if (state is not null)
            {
                using var frozen = no_grad();
                _ = mixer.call(before, new SequenceContext(state));
            }
            var y = mixer.call(x, new SequenceContext(state));
            var leaves = mixer.named_parameters().Select(pair => (pair.name, Value: (Tensor)pair.parameter)).Prepend((name: "x", Value: x)).ToList();
            var gradients = autograd.grad([(y * weights).sum()], [.. leaves.Select(leaf => leaf.Value)]);
            return leaves.Zip(gradients).Select(pair => (pair.First.name, pair.Second)).Append(("y", y)).ToDictionary(pair => pair.Item1, pair => pair.Item2);
        }
    }

    public static TheoryData<string> Mixers => MixerCases.Names;

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Random_pieces_of_any_mixers_input_equal_one_pass_and_empty_ones_change_nothing(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(5);
        using var mixer = MixerCases.Make(name);
        var x = randn([2, 300, MixerCases.ModelDim], ScalarType.Float64, generator: random);
        using var expected = MixerCases.NewState(mixer, 2);
        var whole = mixer.call(x, new SequenceContext(expected));
        for (var seed = 1; seed <= 3; seed++)
        {
            var sizes = new Random(seed);
            using var state = MixerCases.NewState(mixer, 2);
            var pieces = new List<Tensor>();
            for (long at = 0; at < 300;)
            {
                var count = Math.Min(sizes.NextInt64(0, 41), 300 - at);
                using var untouched = state.Fork(arange(2, dtype: ScalarType.Int64));
                pieces.Add(mixer.call(x.narrow(1, at, 0), new SequenceContext(state)));
                MixerCases.CheckSame($"nothing at {at}", untouched, state, tolerance: 0);
                pieces.Add(mixer.call(x.narrow(1, at, count), new SequenceContext(state)));
                at += count;
            }

            Close.Check($"pieces of seed {seed}", whole, cat(pieces, 1), absolute: Tolerance);
            MixerCases.CheckSame($"end of seed {seed}", expected, state, Tolerance);
        }
    }

    [Fact]
    public void A_hybrid_trains_alike_by_state_passing_and_by_whole_transforms()
    {
        var (whole, chunked) = (Losses(0), Losses(8));

        Assert.True(whole[^1] < whole[0] - 0.1);
        Assert.All(whole.Zip(chunked), pair => Assert.Equal(pair.First, pair.Second, 1e-9));
    }

    // Twenty steps in float64 on text that repeats.
    private static List<double> Losses(long chunkLength)
    {
        using var outer = NewDisposeScope();
        using var model = ToyModel.Builder(2).AddH3(h3 => (h3.StateDim, h3.ChunkLength) = (8, chunkLength)).AddAttention(layers: [1]).Build();
        using var optimizer = optim.AdamW(model.parameters(), 1e-2);
        var tokens = (arange(3 * 40, dtype: ScalarType.Int64).view(3, 40) * 7).remainder(ToyModel.VocabSize);
        var losses = new List<double>();
        for (var step = 0; step < 20; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var loss = NextTokenLoss.Of(model, tokens).Sum / 117.0;
            loss.backward();
            optimizer.step();
            losses.Add(loss.item<double>());
        }
        return losses;
    }
}
