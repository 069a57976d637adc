using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public class VandermondeTests : KernelConformance
{
    // Around blocks of 32 and spans of 1024 tokens.
    protected override IReadOnlyList<long> Lengths => [1, 2, 31, 32, 33, 67, 128, 131, 1023, 1024, 1025, 2085];

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs =>
    {
        using var chosen = KernelSelection.Use(KernelChoice.Reference);
        return Pass(inputs);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => Pass;

    // u (B, H, L) and a state (B, H, n, 2): odd numbers of heads and states, and one row without a state.
    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random)
    {
        var state = randn([3, 5, 7, 2], dtype, generator: random);
        state[0].zero_();
        return [randn([3, 5, length], dtype, generator: random), state];
    }

    [Theory]
    [InlineData(8, 2, 8)]
    [InlineData(34, 1, 8)]
    [InlineData(64, 4, 8)]
    [InlineData(34, 1, 6)]
    [InlineData(64, 1, 32)]
    public void Padded_rows_end_where_they_do_by_the_reference(long stateDim, long headDim, long modelDim)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        using var mixer = new H3Mixer(new H3Options { StateDim = stateDim, HeadDim = headDim }, builder.CreateLayerContext(0, random));
        var x = randn([4, 1100, modelDim], generator: random);
        var ends = tensor(new long[] { 0, 45, 1100, 1024 }, [4, 1]);
        var segments = where(arange(1100, dtype: ScalarType.Int64).lt(ends), 0L, -1L);

        var expected = Twice(KernelChoice.Reference);
        foreach (var width in SimdWidth.All)
        {
            using var limit = SimdWidth.Limit(width);
            var actual = Twice(KernelChoice.Cpu);
            foreach (var (name, tensor) in expected)
                Close.Check($"{name}, {width} bits", tensor, actual[name], absolute: 2e-5, relativeToLargest: 2e-5);
        }

        // From the start, and from the state after it.
        Dictionary<string, Tensor> Twice(KernelChoice choice)
        {
            using var chosen = KernelSelection.Use(choice);
            using var frozen = no_grad();
            using var state = mixer.NewState(4);
            var seen = segments.ge(0).unsqueeze(-1);
            var (first, second) = (mixer.call(x, new SequenceContext(state, segments)) * seen, mixer.call(x, new SequenceContext(state, segments)) * seen);
            return new Dictionary<string, Tensor>(state.Tensors.ToDictionary(part => part.Key, part => part.Value.clone())) { ["first"] = first, ["second"] = second };
        }
    }

    [Fact]
    public void Changed_parameters_change_what_is_carried()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        using var ssm = Make(14, ScalarType.Float32);
        using var frozen = no_grad();
        var inputs = Inputs(100, ScalarType.Float32, random);
        _ = Run(ssm, inputs);
        foreach (var parameter in ssm.parameters())
            parameter.mul_(0.9);

        using var chosen = KernelSelection.Use(KernelChoice.Reference);
        var expected = Run(ssm, inputs);
        using var again = KernelSelection.Use(KernelChoice.Cpu);
        Close.Check("after a change", expected, Run(ssm, inputs), absolute: 2e-5, relativeToLargest: 2e-5);
    }

    [Fact]
    public void A_state_of_another_size_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(8);
        using var ssm = Make(8, ScalarType.Float32);
        using var frozen = no_grad();

        var error = Assert.Throws<ArgumentException>(() => Run(ssm, Inputs(10, ScalarType.Float32, random)));

        Assert.Contains("(3, 5, 7)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_state_of_another_dtype_is_taken_as_its_values()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(8);
        using var ssm = Make(14, ScalarType.Float32);
        using var frozen = no_grad();
        var inputs = Inputs(10, ScalarType.Float32, random);

        Close.Check("wide state", Run(ssm, inputs), Run(ssm, [inputs[0], inputs[1].to(ScalarType.Float64)]), absolute: 1e-6);
    }

    [Fact]
    public void A_batch_of_none_gives_none_and_leaves_its_state()
    {
        using var scope = NewDisposeScope();
        using var ssm = Make(14, ScalarType.Float32);

        var (y, after) = ssm.Run(zeros(0, 5, 10));

        Assert.Equal([0, 5, 10], y.shape);
        Assert.Equal([0, 5, 7], after.shape);
    }

    private static Tensor Pass(IReadOnlyList<Tensor> inputs)
    {
        using var scope = NewDisposeScope();
        using var ssm = Make(14, inputs[0].dtype);
        return Run(ssm, inputs).MoveToOuterDisposeScope();
    }

    private static Tensor Run(DiagonalSsm ssm, IReadOnlyList<Tensor> inputs)
    {
        // Products, because complex views need even offsets, also of gradients.
        var (y, after) = ssm.Run(inputs[0], view_as_complex(inputs[1].contiguous() * 1));
        return cat([y.flatten(), (view_as_real(after) * 1).flatten()]);
    }

    private static DiagonalSsm Make(long stateDim, ScalarType dtype)
    {
        using var random = new Generator(7);
        return new DiagonalSsm(new DiagonalSsmOptions(stateDim), 5, new ParameterFactory(random, dtype));
    }
}
