using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>What holds of a causal mixer beyond the trained length of positions that depend on the length.</summary>
/// <remarks>Up to the trained length it keeps every law of <see cref="CausalMixerConformance"/>. Beyond it a text is what it is as a whole:
/// a call that holds it whole, padded or not, gives that, and a call that would need to read earlier tokens again is refused.</remarks>
[NoTensorLeak]
public abstract class LengthDependentConformance
{
    private const double Tolerance = 1e-10;

    /// <summary>Makes the mixer.</summary>
    protected abstract IMixer Create();

    /// <summary>Makes a mixer of the same parameters with the positions of one length, which depend on none.</summary>
    /// <param name="length">Tokens of the text.</param>
    protected abstract IMixer CreateForLength(long length);

    /// <summary>The width D.</summary>
    protected abstract long ModelDim { get; }

    /// <summary>Tokens up to which the positions are always the same; 4 at least.</summary>
    protected abstract long TrainedLength { get; }

    /// <summary>Whether all lengths beyond the trained one have the same positions, so that a text read beyond it may grow.</summary>
    protected abstract bool MayGrow { get; }

    [Fact]
    public void A_whole_call_has_the_positions_of_its_length()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = new Subject<IMixer>(Create());
        foreach (var length in new[] { 1, TrainedLength - 1, TrainedLength, TrainedLength + 1, 3 * TrainedLength })
        {
            using var state = mixer.Module.NewState(2);
            var x = Input(2, length, 1);
            var expected = Alone(x);

            Close.Check($"whole, {length} tokens", expected, mixer.Module.call(x, null), absolute: Tolerance);
            Close.Check($"whole from a fresh state, {length} tokens", expected, mixer.Module.call(x, new SequenceContext(state)), absolute: Tolerance);
        }
        var longer = Input(1, TrainedLength + 1, 1);
        using var plain = new Subject<IMixer>(CreateForLength(TrainedLength));
        Assert.False(plain.Module.call(longer, null).allclose(mixer.Module.call(longer, null), 1e-3, 1e-3), "Beyond the trained length nothing changes.");
    }

    [Fact]
    public void Each_row_of_a_padded_call_is_what_it_is_alone()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = new Subject<IMixer>(Create());
        long[] lengths = [TrainedLength + 3, TrainedLength - 1, TrainedLength + 5, 0, TrainedLength + 3];
        var width = TrainedLength + 5;
        var x = Input(lengths.Length, width, 2);
        foreach (var isLeft in new[] { true, false })
        {
            var segments = Segments(width, lengths, isLeft);
            using var state = mixer.Module.NewState(lengths.Length);
            var disturbed = x.masked_fill(segments.lt(0).unsqueeze(-1), 100.0);
            foreach (var (name, padded) in new[] { ("whole", mixer.Module.call(disturbed, new SequenceContext(null, segments))), ("state", mixer.Module.call(disturbed, new SequenceContext(state, segments))) })
            {
                for (var row = 0; row < lengths.Length; row++)
                {
                    var from = isLeft ? width - lengths[row] : 0;
                    Close.Check($"{name}, row {row}", Alone(x.narrow(0, row, 1).narrow(1, from, lengths[row])), padded.narrow(0, row, 1).narrow(1, from, lengths[row]), absolute: Tolerance);
                }
            }
        }
    }

    [Fact]
    public void Steps_up_to_the_trained_length_equal_the_whole_and_the_step_across_is_refused_with_both_lengths()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = new Subject<IMixer>(Create());
        var x = Input(2, TrainedLength + 2, 3);
        using var state = mixer.Module.NewState(2);
        var steps = cat([.. x.narrow(1, 0, TrainedLength).split(1, 1).Select(step => mixer.Module.call(step, new SequenceContext(state)))], 1);
        Close.Check("steps", Alone(x.narrow(1, 0, TrainedLength)), steps, absolute: Tolerance);
        var held = state.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        var segments = zeros(2, 2, dtype: ScalarType.Int64);
        foreach (var across in new[] { new SequenceContext(state), new SequenceContext(state, segments) })
        {
            var error = Assert.ThrowsAny<NotSupportedException>(() => mixer.Module.call(x.narrow(1, TrainedLength, 2), across));
            Assert.Contains($"holds {TrainedLength} tokens", error.Message, StringComparison.Ordinal);
            Assert.Contains($"has {TrainedLength + 2}", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal(TrainedLength, state.Position);
        foreach (var (name, value) in state.Tensors)
            Close.Check(name, held[name], value);
        _ = mixer.Module.call(x.narrow(1, 0, 3), new SequenceContext(state, full(2, 3, 7L, ScalarType.Int64))); // another document begins
    }

    [Fact]
    public void A_text_read_beyond_the_trained_length_grows_where_the_positions_stay()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = new Subject<IMixer>(Create());
        var x = Input(2, TrainedLength + 6, 4);
        using var state = mixer.Module.NewState(2);
        var first = mixer.Module.call(x.narrow(1, 0, TrainedLength + 2), new SequenceContext(state));
        Tensor Step(long column) => mixer.Module.call(x.narrow(1, column, 1), new SequenceContext(state));
        if (!MayGrow)
        {
            var error = Assert.ThrowsAny<NotSupportedException>(() => Step(TrainedLength + 2));
            Assert.Contains($"holds {TrainedLength + 2} tokens", error.Message, StringComparison.Ordinal);
            Assert.Contains($"has {TrainedLength + 3}", error.Message, StringComparison.Ordinal);
            return;
        }
        using var fork = state.Fork(tensor(new long[] { 1 }));
        var grown = Enumerable.Range(0, 4).Select(column => Step(TrainedLength + 2 + column)).ToList();

        Close.Check("grown", Alone(x), cat([first, .. grown], 1), absolute: Tolerance);
        Close.Check("a fork", grown[0][1..], mixer.Module.call(x[1..].narrow(1, TrainedLength + 2, 1), new SequenceContext(fork)), absolute: Tolerance);
    }

    [Fact]
    public void Packed_rows_serve_documents_up_to_the_trained_length_and_refuse_longer_ones_by_name()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = new Subject<IMixer>(Create());
        var x = Input(1, (2 * TrainedLength) + 1, 5);
        var short1 = cat([full(1, TrainedLength, 3L, ScalarType.Int64), full(1, TrainedLength, 4L, ScalarType.Int64)], 1);
        var packed = mixer.Module.call(x.narrow(1, 0, 2 * TrainedLength), new SequenceContext(null, short1));
        Close.Check("first", Alone(x.narrow(1, 0, TrainedLength)), packed.narrow(1, 0, TrainedLength), absolute: Tolerance);
        Close.Check("second", Alone(x.narrow(1, TrainedLength, TrainedLength)), packed.narrow(1, TrainedLength, TrainedLength), absolute: Tolerance);
        var long1 = cat([full(1, TrainedLength, 3L, ScalarType.Int64), full(1, TrainedLength + 1, 4L, ScalarType.Int64)], 1);
        using var state = mixer.Module.NewState(1);
        foreach (var context in new[] { new SequenceContext(null, long1), new SequenceContext(state, long1) })
        {
            var error = Assert.ThrowsAny<NotSupportedException>(() => mixer.Module.call(x, context));
            Assert.Contains("packed", error.Message, StringComparison.Ordinal);
            Assert.Contains($"{TrainedLength + 1} tokens", error.Message, StringComparison.Ordinal);
            Assert.Contains($"{TrainedLength} trained", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Gradients_reach_every_row_of_a_padded_call()
    {
        using var scope = NewDisposeScope();
        using var mixer = new Subject<IMixer>(Create());
        long[] lengths = [TrainedLength + 1, 2];
        var segments = Segments(TrainedLength + 1, lengths, isLeft: false);
        var x = Input(2, TrainedLength + 1, 6).requires_grad_(true);

        GradientCheck.Check(() => mixer.Module.call(x, new SequenceContext(null, segments)).masked_fill(segments.lt(0).unsqueeze(-1), 0), mixer.Parameters().Prepend(("x", x)).ToList());
    }

    // What a text is: mixed whole with the positions of its length.
    private Tensor Alone(Tensor x)
    {
        using var mixer = new Subject<IMixer>(CreateForLength(x.size(1)));
        return mixer.Module.call(x, null);
    }

    private static Tensor Segments(long width, long[] lengths, bool isLeft) => stack(
        [.. lengths.Select(length => isLeft
            ? cat([full(width - length, -1L, ScalarType.Int64), zeros(length, dtype: ScalarType.Int64)])
            : cat([zeros(length, dtype: ScalarType.Int64), full(width - length, -1L, ScalarType.Int64)]))], 0);

    private Tensor Input(long batch, long length, ulong seed)
    {
        using var random = new Generator(seed);
        return randn([batch, length, ModelDim], ScalarType.Float64, generator: random);
    }
}
