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
            Close.Check($"gradient {index}", expected, actual, absolute: Tolerance, relativeToLargest: Tolerance);

        (Tensor Output, Tensor State, IList<Tensor> Gradients) Pass(long chunkLength)
        {
            var (y, after) = ssm.Run(u, state, skip, chunkLength);
            return (y, after, autograd.grad([(y * weights).sum() + (view_as_real(after) * end).sum()], leaves));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    [InlineData(39)]
    [InlineData(40)]
    [InlineData(100)]
    public void An_H3_layer_in_chunks_has_the_outputs_and_gradients_of_the_whole(long chunk)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        using var whole = ToyH3.Build(new H3Options { StateDim = 8, HeadDim = 2 });
        using var chunked = ToyH3.Build(new H3Options { StateDim = 8, HeadDim = 2, ChunkLength = chunk });
        var x = randn([2, 40, 8], ScalarType.Float64, generator: random);
        var weights = randn([2, 40, 8], ScalarType.Float64, generator: random);
        var (expected, actual) = (whole.call(x, null), chunked.call(x, null));

        Close.Check("outputs", expected, actual, absolute: Tolerance);
        var (wholeGradients, gradients) = (Gradients(whole, expected), Gradients(chunked, actual));
        foreach (var name in wholeGradients.Keys)
            Close.Check(name, wholeGradients[name], gradients[name], absolute: Tolerance, relativeToLargest: Tolerance);

        Dictionary<string, Tensor> Gradients(H3Mixer mixer, Tensor y)
        {
            var parameters = mixer.named_parameters().ToList();
            var gradients = autograd.grad([(y * weights).sum()], [.. parameters.Select(pair => (Tensor)pair.parameter)]);
            return parameters.Zip(gradients).ToDictionary(pair => pair.First.name, pair => pair.Second);
        }
    }

    [Fact]
    public void Random_pieces_of_a_long_input_equal_one_pass()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(5);
        using var mixer = ToyH3.Build(new H3Options { StateDim = 16 });
        var x = randn([2, 300, 8], ScalarType.Float64, generator: random);
        using var state = mixer.NewState(2);
        var sizes = new Random(6);
        var pieces = new List<Tensor>();
        for (long at = 0; at < 300;)
        {
            var count = Math.Min(sizes.NextInt64(0, 41), 300 - at);
            pieces.Add(mixer.call(x.narrow(1, at, count), new SequenceContext(state)));
            at += count;
        }

        Close.Check("pieces", mixer.call(x, null), cat(pieces, 1), absolute: Tolerance);
    }

    [Fact]
    public void Prefill_of_padded_rows_leaves_each_row_at_its_own_length()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(7);
        using var mixer = ToyH3.Build(new H3Options { StateDim = 8 });
        var x = randn([3, 12, 8], ScalarType.Float64, generator: random);
        long[] lengths = [12, 5, 1];
        var segments = stack([.. lengths.Select(length => arange(12, dtype: ScalarType.Int64).lt(length).to(ScalarType.Int64) - 1)]);
        using var state = mixer.NewState(3);
        _ = mixer.call(x, new SequenceContext(state, segments));
        for (var row = 0; row < 3; row++)
        {
            using var alone = mixer.NewState(1);
            _ = mixer.call(x.narrow(0, row, 1).narrow(1, 0, lengths[row]), new SequenceContext(alone));
            foreach (var (name, value) in alone.Tensors.Where(pair => pair.Key != "cursor"))
                Close.Check($"row {row} {name}", value, state.Tensors[name].narrow(0, row, 1), absolute: Tolerance);
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
