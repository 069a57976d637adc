using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a linear map.</summary>
[NoTensorLeak]
public abstract class LinearConformance
{
    /// <summary>Makes the linear, always with the same parameters; the suite disposes it.</summary>
    protected abstract ILinear Create(ScalarType dtype);

    /// <summary>Input width I of what <see cref="Create"/> makes.</summary>
    protected abstract long InFeatures { get; }

    /// <summary>Output width O of what <see cref="Create"/> makes.</summary>
    protected abstract long OutFeatures { get; }

    /// <summary>Largest difference in float64.</summary>
    protected virtual double Tolerance => 1e-11;

    /// <summary>Largest difference in float32, relative to the largest output.</summary>
    protected virtual double SingleTolerance => 1e-5;

    [Fact]
    public void It_has_the_widths_it_was_made_for()
    {
        using var linear = Make();

        Assert.Equal((InFeatures, OutFeatures), (linear.Module.InFeatures, linear.Module.OutFeatures));
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void A_call_is_the_dense_weight_applied_plus_the_value_at_zero(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make(dtype);
        var x = Input(7).to(dtype);
        var dense = linear.Module.ToDense();
        Assert.Equal([OutFeatures, InFeatures], dense.shape);
        Assert.Equal(dtype, dense.dtype);
        var expected = nn.functional.linear(x, dense) + linear.Module.call(zeros_like(x));

        var isDouble = dtype == ScalarType.Float64;
        Close.Check("call(x)", expected, linear.Module.call(x), absolute: isDouble ? Tolerance : 1e-6, relativeToLargest: isDouble ? 0 : SingleTolerance);
    }

    [Fact]
    public void The_map_is_affine()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make();
        var (x, y) = (Input(3), Input(3).flip(0));
        var atZero = linear.Module.call(zeros_like(x));

        Close.Check("call(2x - y)", linear.Module.call(x) * 2 - linear.Module.call(y), linear.Module.call(x * 2 - y), absolute: Tolerance);
        Close.Check("rows of call(0)", atZero.narrow(0, 0, 1).expand_as(atZero), atZero, absolute: Tolerance);
    }

    [Theory]
    [InlineData(new long[0])]
    [InlineData(new long[] { 1 })]
    [InlineData(new long[] { 0 })]
    [InlineData(new long[] { 2, 3 })]
    [InlineData(new long[] { 2, 0, 3 })]
    [InlineData(new long[] { 2, 1, 3, 2 })]
    public void Leading_axes_may_be_of_any_number_and_empty(long[] leading)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make();
        var count = leading.Aggregate(1L, (product, size) => product * size);
        var x = Input(count);
        var y = linear.Module.call(x.view([.. leading, InFeatures]));

        Assert.Equal([.. leading, OutFeatures], y.shape);
        Close.Check("rows", linear.Module.call(x), y.view(count, OutFeatures), absolute: Tolerance);
    }

    [Fact]
    public void An_input_of_any_strides_gives_the_same_result()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make();
        var x = Input(6);
        var strided = x.view(2, 3, InFeatures).permute(1, 2, 0).contiguous().permute(2, 0, 1);

        Close.Check("strided", linear.Module.call(x).view(2, 3, OutFeatures), linear.Module.call(strided), absolute: Tolerance);
    }

    [Fact]
    public void A_wrong_width_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var linear = Make();

        var error = Assert.ThrowsAny<ArgumentException>(() => linear.Module.call(zeros(2, InFeatures + 1, dtype: ScalarType.Float64)));

        Assert.Contains($"{InFeatures}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{InFeatures + 1}", error.Message, StringComparison.Ordinal);
        Assert.ThrowsAny<ArgumentException>(() => linear.Module.call(tensor(1.0)));
    }

    [Fact]
    public void The_dense_weight_is_a_copy()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var linear = Make();
        var x = Input(3);
        var before = linear.Module.call(x);
        using (var dense = linear.Module.ToDense())
            dense.zero_();

        Close.Check("after the dense weight was changed and disposed", before, linear.Module.call(x));
    }

    [Fact]
    public void Gradients_agree_with_central_differences()
    {
        using var scope = NewDisposeScope();
        using var linear = Make();
        var x = Input(4).view(2, 2, InFeatures).detach().requires_grad_(true);

        GradientCheck.Check(() => linear.Module.call(x), [("x", x), .. linear.Parameters().Where(parameter => parameter.Value.requires_grad)]);
    }

    [Fact]
    public void No_call_leaves_a_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var linear = Make();
        var x = Input(3);
        var wrong = zeros(2, InFeatures + 1, dtype: ScalarType.Float64);
        linear.Module.call(x).Dispose();

        LiveTensors.Unchanged("A call", () => linear.Module.call(x).Dispose());
        LiveTensors.Unchanged("ToDense", () => linear.Module.ToDense().Dispose());
        LiveTensors.Unchanged("A failed call", () => Assert.ThrowsAny<ArgumentException>(() => linear.Module.call(wrong)));
    }

    [Fact]
    public void A_linear_made_inside_a_dispose_scope_outlives_it()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Subject<ILinear> linear;
        using (NewDisposeScope())
            linear = Make();
        using (linear)
        {
            using var twin = Make();
            var x = Input(2);
            Close.Check("the survivor", twin.Module.call(x), linear.Module.call(x));
        }
    }

    private Subject<ILinear> Make(ScalarType dtype = ScalarType.Float64) => new(Create(dtype));

    private Tensor Input(long count)
    {
        using var random = new Generator(3);
        return randn([count, InFeatures], ScalarType.Float64, generator: random);
    }
}
