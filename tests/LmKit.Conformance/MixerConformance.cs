using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of every mixer; derive from <see cref="CausalMixerConformance"/> or <see cref="BidirectionalMixerConformance"/>.</summary>
/// <remarks>A suite is inherited by a test class that says how to make the mixer. Laws are public methods, so that a test can
/// also show that a broken mixer fails them.</remarks>
[NoTensorLeak]
public abstract class MixerConformance
{
    /// <summary>Makes the mixer, always with the same parameters; the suite disposes it.</summary>
    protected abstract IMixer Create(ScalarType dtype);

    /// <summary>Width D of the mixer that <see cref="Create"/> makes.</summary>
    protected abstract long ModelDim { get; }

    /// <summary>Length of the sequences that the laws use; at least 6.</summary>
    protected virtual long Length => 23;

    /// <summary>Largest difference of outputs that a law says are equal, in float64.</summary>
    protected virtual double Tolerance => 1e-10;

    /// <summary>The same in float32, relative to the largest output.</summary>
    protected virtual double SingleTolerance => 1e-4;

    [Fact]
    public void Rows_are_independent()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(4, Length, 1);
        var whole = mixer.Module.call(x, null);

        for (var row = 0; row < 4; row++)
            Same($"row {row} alone", mixer.Module.call(x.narrow(0, row, 1), null), whole.narrow(0, row, 1));
        Same("rows in another order", mixer.Module.call(x.flip(0), null), whole.flip(0));
    }

    [Fact]
    public void The_input_is_not_changed()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        var kept = x.clone();

        _ = mixer.Module.call(x, null);

        Close.Check("x after the call", kept, x);
    }

    [Fact]
    public void A_call_gives_the_same_result_again()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);

        Close.Check("second call", mixer.Module.call(x, null), mixer.Module.call(x, null));
    }

    [Fact]
    public void An_input_of_any_strides_gives_the_same_result()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        var strided = x.permute(2, 1, 0).contiguous().permute(2, 1, 0);

        Same("strided input", mixer.Module.call(strided, null), mixer.Module.call(x, null));
    }

    [Fact]
    public void Packed_documents_give_what_they_give_alone() => CheckPacked(ScalarType.Float64);

    [Fact]
    public void Packed_documents_give_what_they_give_alone_in_single_precision() => CheckPacked(ScalarType.Float32);

    [Fact]
    public void Padding_changes_no_valid_output_and_stays_finite() => CheckPadded(ScalarType.Float64);

    [Fact]
    public void Padding_changes_no_valid_output_and_stays_finite_in_single_precision() => CheckPadded(ScalarType.Float32);

    [Fact]
    public void Padding_neither_gets_nor_spoils_gradients()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        foreach (var batch in PackedBatch.Padded(Length))
        {
            var x = Input(batch.Rows, batch.Length, 3).requires_grad_(true);
            var segments = batch.Segments();
            var y = mixer.Module.call(x, new SequenceContext(null, segments));
            var isPadding = segments.lt(0).unsqueeze(-1);
            var gradient = autograd.grad([y.masked_fill(isPadding, 0).square().sum()], [x])[0];
            Assert.True(gradient.isfinite().all().item<bool>(), $"{batch}: a gradient is not finite.");
            Assert.True(gradient.masked_fill(isPadding.logical_not(), 0).abs().sum().item<double>() == 0, $"{batch}: padding gets a gradient from valid outputs.");
        }
    }

    [Fact]
    public void An_empty_sequence_gives_an_empty_result()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();

        Assert.Equal([2, 0, ModelDim], mixer.Module.call(Input(2, 0, 1), null).shape);
    }

    [Fact]
    public void A_wrong_width_or_rank_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();

        var error = Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(zeros(2, 3, ModelDim + 1, dtype: ScalarType.Float64), null));
        Assert.Contains($"{ModelDim}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{ModelDim + 1}", error.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(zeros(3, ModelDim, dtype: ScalarType.Float64), null));
    }

    [Fact]
    public void Segments_of_another_shape_are_refused()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        var x = Input(2, 5, 1);

        foreach (var segments in new[] { zeros(2, 4, dtype: ScalarType.Int64), zeros(1, 5, dtype: ScalarType.Int64), zeros(5, dtype: ScalarType.Int64), zeros(2, 5) })
            Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(x, new SequenceContext(null, segments)));
    }

    [Fact]
    public void Gradients_agree_with_central_differences()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        var x = Input(2, 6, 5).requires_grad_(true);
        var segments = tensor(new long[] { 0, 0, 0, 4, 4, 4, -1, 2, 2, 2, 2, -1 }, [2, 6]);
        var variables = mixer.Parameters().Prepend(("x", x)).ToList();

        GradientCheck.Check(() => mixer.Module.call(x, null), variables);
        GradientCheck.Check(() => mixer.Module.call(x, new SequenceContext(null, segments)).masked_fill(segments.lt(0).unsqueeze(-1), 0), variables);
    }

    [Fact]
    public void Single_precision_agrees_with_double()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make();
        using var single = Make(ScalarType.Float32).CopyFrom(mixer);
        var x = Input(2, Length, 1);
        var y = single.Module.call(x.to(ScalarType.Float32), null);

        Assert.Equal(ScalarType.Float32, y.dtype);
        Close.Check("float32", mixer.Module.call(x, null), y, absolute: 1e-6, relativeToLargest: SingleTolerance);
    }

    [Fact]
    public void No_call_leaves_a_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var mixer = Make();
        var x = Input(2, Length, 1);
        var packed = PackedBatch.Several(Length)[0];
        var y = Input(packed.Rows, packed.Length, 1);
        var segments = packed.Segments();
        var wrong = zeros(2, 3, ModelDim + 1, dtype: ScalarType.Float64);
        mixer.Module.call(x, null).Dispose();

        LiveTensors.Unchanged("A call", () => mixer.Module.call(x, null).Dispose());
        LiveTensors.Unchanged("A call with segments", () => mixer.Module.call(y, new SequenceContext(null, segments)).Dispose());
        LiveTensors.Unchanged("A failed call", () => Assert.ThrowsAny<ArgumentException>(() => mixer.Module.call(wrong, null)));
        LiveTensors.Unchanged("A call and its backward pass", () =>
        {
            using var inner = NewDisposeScope();
            var input = x.detach().requires_grad_(true);
            _ = autograd.grad([mixer.Module.call(input, null).sum()], [input]);
        });
    }

    [Fact]
    public void A_mixer_made_inside_a_dispose_scope_outlives_it()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Subject<IMixer> mixer;
        using (NewDisposeScope())
            mixer = Make();
        using (mixer)
        {
            using var twin = Make();
            var x = Input(2, 5, 1);
            Same("the survivor", mixer.Module.call(x, null), twin.Module.call(x, null));
        }
    }

    private protected Subject<IMixer> Make(ScalarType dtype = ScalarType.Float64) => new(Create(dtype));

    private protected Tensor Input(long batch, long length, ulong seed, ScalarType dtype = ScalarType.Float64)
    {
        using var random = new Generator(seed);
        return randn([batch, length, ModelDim], ScalarType.Float64, generator: random).to(dtype);
    }

    private protected void Same(string name, Tensor actual, Tensor expected)
    {
        if (expected.dtype == ScalarType.Float32)
            Close.Check(name, expected, actual, absolute: 1e-7, relativeToLargest: SingleTolerance);
        else
            Close.Check(name, expected, actual, absolute: Tolerance);
    }

    private void CheckPacked(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(dtype);
        foreach (var batch in PackedBatch.Several(Length))
        {
            var x = Input(batch.Rows, batch.Length, 2, dtype);
            var packed = mixer.Module.call(x, new SequenceContext(null, batch.Segments()));
            foreach (var document in batch.Documents())
                Same($"{batch}: {document}", document.Of(packed), mixer.Module.call(document.Of(x), null));
        }
    }

    private void CheckPadded(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mixer = Make(dtype);
        foreach (var batch in PackedBatch.Padded(Length))
        {
            var x = batch.Disturb(Input(batch.Rows, batch.Length, 3, dtype));
            var padded = mixer.Module.call(x, new SequenceContext(null, batch.Segments()));
            Assert.True(padded.isfinite().all().item<bool>(), $"{batch}: outputs at padding are not finite.");
            foreach (var document in batch.Documents())
                Same($"{batch}: {document}", document.Of(padded), mixer.Module.call(document.Of(x), null));
        }
    }
}
