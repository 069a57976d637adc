using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>The gradient of an output with respect to later inputs: exactly none in short chunks, rounding of the transforms otherwise.</summary>
[NoTensorLeak]
public class CausalityTests
{
    // The rounding of a Fourier transform is global.
    private const double OfTransforms = 1e-12;

    // Beyond the 128 columns that are convolved by sums; in short chunks a piece suffices.
    private const long Length = 150;
    private const long ChunkedLength = 70;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(16)]
    [InlineData(50)]
    [InlineData(64)]
    [InlineData(128)]
    public void In_chunks_of_up_to_128_columns_no_output_has_any_gradient_of_a_later_input(long chunk) =>
        CheckChunks(chunk, allowed: 0, Math.Max(ChunkedLength, chunk + 6));

    [Fact]
    public void In_longer_chunks_the_gradient_of_a_later_input_is_rounding() => CheckChunks(140, OfTransforms, Length);

    [Fact]
    public void A_scan_has_no_gradient_of_a_later_input()
    {
        using var scope = NewDisposeScope();
        using var scan = ToyModel.Component(ToyModel.Builder(), layer => new SelectiveScanMixer(new SelectiveScanOptions { StateDim = 4 }, layer));

        CheckLater(scan, allowed: 0);
    }

    [Fact]
    public void Through_transforms_the_gradient_of_a_later_input_is_rounding()
    {
        using var scope = NewDisposeScope();
        foreach (var headDim in new[] { 1, 2, 4, 8 })
        {
            using var h3 = ToyH3.Build(new H3Options { StateDim = 64, HeadDim = headDim });
            CheckLater(h3, OfTransforms);
        }
        using var s4d = ToyModel.Component(ToyModel.Builder(), layer => new S4DMixer(new S4DOptions { StateDim = 8 }, layer));
        CheckLater(s4d, OfTransforms);
        using var convolution = ToyModel.Component(ToyModel.Builder(), layer => new LongConvMixer(new LongConvOptions { KernelLength = 200 }, layer));
        CheckLater(convolution, OfTransforms);
    }

    private static void CheckChunks(long chunk, double allowed, long length)
    {
        using var scope = NewDisposeScope();
        foreach (var headDim in new[] { 1, 2 })
        {
            using var h3 = ToyH3.Build(new H3Options { StateDim = 64, HeadDim = headDim, ChunkLength = chunk });
            CheckLater(h3, allowed, length);
        }
        using var s4d = ToyModel.Component(ToyModel.Builder(), layer => new S4DMixer(new S4DOptions { StateDim = 8, ChunkLength = chunk }, layer));
        CheckLater(s4d, allowed, length);
    }

    // Relative to the largest gradient.
    private static void CheckLater(nn.Module<Tensor, SequenceContext?, Tensor> mixer, double allowed, long length = Length)
    {
        using var random = new Generator(4);
        var x = randn([1, length, 8], ScalarType.Float64, generator: random).requires_grad_(true);
        var weights = randn([1, length, 8], ScalarType.Float64, generator: random);
        var y = mixer.call(x, null) * weights;
        foreach (var t in new[] { 0L, 6, 49, 64, length - 2 })
        {
            using var scope = NewDisposeScope();
            var gradient = autograd.grad([y.select(1, t).sum()], [x], retain_graph: true)[0].abs();
            var (largest, later) = (gradient.max().item<double>(), gradient.narrow(1, t + 1, length - t - 1).max().item<double>());
            Assert.True(largest > 0 && later <= allowed * largest, $"The output at {t} has a gradient of {later} with respect to a later input; the largest is {largest}.");
        }
    }
}
