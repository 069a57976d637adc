using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

[NoTensorLeak]
public class MonarchLinearTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [InlineData(768, 768, 4, 294_912)]
    [InlineData(768, 3072, 4, 737_280)]
    [InlineData(3072, 768, 4, 737_280)]
    [InlineData(1024, 1024, 32, 65_536)]
    [InlineData(10, 7, 4, 40)] // padded to 12 and 8: 0.5714 of the 70 of a dense layer
    public void It_holds_the_published_number_of_parameters(long inFeatures, long outFeatures, int blocks, long expected)
    {
        using var linear = Make(inFeatures, outFeatures, blocks, hasBias: false);

        Assert.Equal(expected, linear.parameters().Sum(parameter => parameter.numel()));
    }

    [Fact]
    public void Component_names_and_shapes_are_the_published_ones()
    {
        using var wider = Make(12, 20);
        using var narrower = Make(20, 12);
        using var bare = Make(20, 12, hasBias: false);

        Assert.Equal(["blkdiag1 (4, 3, 3)", "blkdiag2 (4, 5, 3)", "bias (20)"], Names(wider));
        Assert.Equal(["blkdiag1 (4, 3, 5)", "blkdiag2 (4, 3, 3)", "bias (12)"], Names(narrower));
        Assert.Equal(["blkdiag1 (4, 3, 5)", "blkdiag2 (4, 3, 3)"], Names(bare));
    }

    [Theory]
    [InlineData(12, 20, 4)]
    [InlineData(10, 7, 4)]
    [InlineData(7, 10, 3)]
    [InlineData(9, 9, 1)]
    [InlineData(5, 3, 16)]
    public void Any_block_count_gives_the_map_of_its_dense_form(long inFeatures, long outFeatures, int blocks)
    {
        using var scope = NewDisposeScope();
        using var linear = Make(inFeatures, outFeatures, blocks);
        var x = Input(3, 2, inFeatures);
        var expected = nn.functional.linear(x, linear.ToDense(), linear.get_parameter("bias"));

        Close.Check("output", expected, linear.call(x), absolute: Tolerance);
    }

    [Fact]
    public void More_blocks_than_the_width_of_a_block_leave_structural_zeros()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(16, 16, 16);
        var dense = linear.ToDense();

        Close.Check("off the diagonal", zeros_like(dense), dense - diag(dense.diagonal()));
        Assert.True(dense.diagonal().abs().min().item<double>() > 0);
    }

    [Fact]
    public void Slices_have_the_rank_that_the_blocks_leave_them()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(3072, 768, hasBias: false);
        var dense = linear.ToDense();
        var slice = dense.slice(0, 1, 768, 4).narrow(1, 768, 768); // rows 1 mod 4, second block of columns
        var singular = linalg.svdvals(slice);

        Assert.Equal(48, singular.gt(1e-10 * singular[0]).sum().item<long>());
    }

    [Fact]
    public void A_vector_and_a_batch_without_rows_are_taken()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(10, 7);
        var x = Input(1, 1, 10);

        Close.Check("vector", linear.call(x)[0][0], linear.call(x[0][0]), absolute: Tolerance);
        Assert.Equal([0, 7], linear.call(zeros(0, 10, dtype: ScalarType.Float64)).shape);
        Assert.Equal([2, 0, 7], linear.call(zeros(2, 0, 10, dtype: ScalarType.Float64)).shape);
    }

    [Fact]
    public void Strides_of_the_input_do_not_matter()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(12, 20);
        var x = Input(3, 5, 12);
        var strided = x.permute(2, 0, 1).contiguous().permute(1, 2, 0);

        Close.Check("strided", linear.call(x), linear.call(strided), absolute: Tolerance);
        Close.Check("offset", linear.call(x).narrow(1, 2, 2), linear.call(x.narrow(1, 2, 2)), absolute: Tolerance);
    }

    [Fact]
    public void A_wrong_width_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var linear = Make(12, 20);

        var error = Assert.Throws<ArgumentException>(() => linear.call(zeros(2, 11)));

        Assert.Contains("MonarchLinear takes (..., 12); got (2, 11)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_count_below_one_is_refused_by_name_and_value()
    {
        var error = Assert.Throws<ArgumentException>(() => Make(4, 4, 0));

        Assert.Contains("MonarchOptions.BlockCount = 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Single_precision_is_kept_and_close()
    {
        using var scope = NewDisposeScope();
        using var single = Make(48, 96, dtype: ScalarType.Float32);
        using var twice = Make(48, 96);
        twice.load_state_dict(single.state_dict());
        var x = Input(2, 3, 48);
        var y = single.call(x.to(ScalarType.Float32));

        Assert.All(single.parameters(), parameter => Assert.Equal(ScalarType.Float32, parameter.dtype));
        Close.Check("float32", twice.call(x), y, absolute: 1e-5);
    }

    private static MonarchLinear Make(long inFeatures, long outFeatures, int blocks = 4, bool hasBias = true, ScalarType dtype = ScalarType.Float64) =>
        new(new MonarchOptions { BlockCount = blocks }, Sites.Make(inFeatures, outFeatures, hasBias, dtype));

    private static Tensor Input(params long[] shape)
    {
        using var random = new Generator(2);
        return randn(shape, ScalarType.Float64, generator: random);
    }

    private static IEnumerable<string> Names(MonarchLinear linear) =>
        linear.named_parameters().Select(pair => $"{pair.name} ({string.Join(", ", pair.parameter.shape)})");
}
