using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>Rows of different lengths in one padded call: outputs and the state of each are those of the row alone.</summary>
[NoTensorLeak]
public class MixedLengthTests
{
    private const double Tolerance = 1e-10;

    // In float32, which the managed kernels serve, relative to the largest.
    private const double SingleTolerance = 1e-4;
    private const long Length = 14;

    public static TheoryData<string, ScalarType> Mixers => MixerCases.NamesInBothPrecisions;

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Left_padding_by_one_to_nine_tokens_changes_neither_outputs_nor_state(string name, ScalarType dtype) =>
        CheckPadded(name, dtype, paddings => (paddings, 0));

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Right_padding_by_one_to_nine_tokens_changes_neither_outputs_nor_state(string name, ScalarType dtype) =>
        CheckPadded(name, dtype, paddings => (0, paddings));

    [Theory]
    [MemberData(nameof(Mixers))]
    public void Prefill_of_rows_of_any_length_leaves_each_at_its_own(string name, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(7);
        using var mixer = MixerCases.Make(name, dtype);
        long[] lengths = [12, 5, 1, 0, 9];
        var x = randn([lengths.Length, 12, MixerCases.ModelDim], dtype, generator: random);
        var segments = stack([.. lengths.Select(length => arange(12, dtype: ScalarType.Int64).lt(length).to(ScalarType.Int64) - 1)]);
        using var state = MixerCases.NewState(mixer, lengths.Length);
        _ = mixer.call(x, new SequenceContext(state, segments));
        for (var row = 0; row < lengths.Length; row++)
        {
            using var alone = MixerCases.NewState(mixer, 1);
            _ = mixer.call(x.narrow(0, row, 1).narrow(1, 0, lengths[row]), new SequenceContext(alone));
            using var own = state.Fork(tensor(new long[] { row }));
            MixerCases.CheckSame($"row of {lengths[row]}", alone, own, Absolute(dtype), Relative(dtype));
        }
    }

    private static void CheckPadded(string name, ScalarType dtype, Func<long, (long Left, long Right)> place)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(6);
        using var mixer = MixerCases.Make(name, dtype);
        var (x, next) = (randn([2, Length, MixerCases.ModelDim], dtype, generator: random), randn([2, 1, MixerCases.ModelDim], dtype, generator: random));
        using var expected = MixerCases.NewState(mixer, 2);
        var whole = mixer.call(x, new SequenceContext(expected));
        using var onward = expected.Fork(arange(2, dtype: ScalarType.Int64));
        var continued = mixer.call(next, new SequenceContext(onward));
        for (var paddings = 1L; paddings <= 9; paddings++)
        {
            var (left, right) = place(paddings);
            var padded = cat([full([2, left, MixerCases.ModelDim], 50.0, dtype), x, full([2, right, MixerCases.ModelDim], -50.0, dtype)], 1);
            var segments = cat([full([2, left], -1L, ScalarType.Int64), zeros(2, Length, dtype: ScalarType.Int64), full([2, right], -1L, ScalarType.Int64)], 1);
            using var state = MixerCases.NewState(mixer, 2);
            var y = mixer.call(padded, new SequenceContext(state, segments));

            Close.Check($"{left} + {right} paddings", whole, y.narrow(1, left, Length), absolute: Absolute(dtype), relativeToLargest: Relative(dtype));
            MixerCases.CheckSame($"{left} + {right} paddings", expected, state, Absolute(dtype), Relative(dtype));
            Close.Check($"token after {left} + {right} paddings", continued, mixer.call(next, new SequenceContext(state)), absolute: Absolute(dtype), relativeToLargest: Relative(dtype));
        }
    }

    private static double Absolute(ScalarType dtype) => dtype == ScalarType.Float32 ? 1e-7 : Tolerance;

    private static double Relative(ScalarType dtype) => dtype == ScalarType.Float32 ? SingleTolerance : 0;
}
