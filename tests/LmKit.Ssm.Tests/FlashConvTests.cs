using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public abstract class FlashConvKernelConformance(long tapCount) : KernelConformance
{
    protected override IReadOnlyList<long> Lengths => [1, 2, 3, 7, 16, 17, 63, 64, 65, 101, 128, 257, 1000, 1031];

    protected override IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float32];

    // Rounding of transforms of some ten passes, relative to the largest entry.
    protected override double Tolerance(ScalarType dtype) => 3e-6;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Reference);
        return FlashConv.Convolve(inputs[0].to(ScalarType.Float64), inputs[1].to(ScalarType.Float64)).to(inputs[0].dtype);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Cpu);
        return FlashConv.Convolve(inputs[0], inputs[1]);
    };

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
        [randn([2, 3, 2, length], dtype, generator: random), randn([3, tapCount > 0 ? tapCount : length], dtype, generator: random)];
}

public class FlashConvOfAKernelAsLongAsTheSequence() : FlashConvKernelConformance(0);

public class FlashConvOfAShortKernel() : FlashConvKernelConformance(5);

public class FlashConvOfALongKernel() : FlashConvKernelConformance(1300);

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class FlashConvTests
{
    // Against sums in float64, relative to the largest output, whose terms are N(0, 1).
    private const double Tolerance = 3e-6;

    [Theory]
    [InlineData(2048, 2048)]
    [InlineData(3000, 64)]
    [InlineData(4096, 64)]
    [InlineData(5000, 200)]
    [InlineData(8192, 8192)]
    public void Long_sequences_agree_with_the_reference(long length, long taps) => Check(length, taps);

    [Theory]
    [InlineData(300)]
    [InlineData(512)]
    public void A_gradient_asked_for_alone_is_the_same(long length)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var (u, kernel) = (randn([2, 3, 1, length], generator: random), randn([3, length], generator: random));
        var (bothU, bothKernel) = (u.clone().requires_grad_(true), kernel.clone().requires_grad_(true));
        var both = autograd.grad([FlashConv.Convolve(bothU, bothKernel).square().sum()], [bothU, bothKernel]);

        Close.Check("du", both[0], autograd.grad([FlashConv.Convolve(bothU, kernel).square().sum()], [bothU])[0], relativeToLargest: 1e-6);
        Close.Check("dk", both[1], autograd.grad([FlashConv.Convolve(u, bothKernel).square().sum()], [bothKernel])[0], relativeToLargest: 1e-6);
    }

    [Fact]
    public void Plans_of_long_sequences_are_not_kept_for_ever() => OwnProcess.Run(CheckMemoryInThisProcess, []);

    [Fact]
    public void An_empty_sequence_and_an_empty_batch_give_empty_results()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([2, 3, 1, 0], FlashConv.Convolve(zeros(2, 3, 1, 0), ones(3, 4)).shape);
        Assert.Equal([0, 3, 1, 5], FlashConv.Convolve(zeros(0, 3, 1, 5), ones(3, 4)).shape);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("(2, 3, 4)", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros(2, 3, 4), ones(3, 4))).Message, StringComparison.Ordinal);
        Assert.Contains("Float16", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros([1, 3, 1, 4], ScalarType.Float16), ones([3, 4], ScalarType.Float16))).Message, StringComparison.Ordinal);
        Assert.Contains("Float64", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros(1, 3, 1, 4), ones([3, 4], ScalarType.Float64))).Message, StringComparison.Ordinal);
    }

    // A plan is 2 numbers a sample: 4 MB, 8 MB and 16 MB, of which the last may stay.
    internal static void CheckMemoryInThisProcess(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);
        Convolve(64);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        foreach (var power in new[] { 19, 20, 21 })
            Convolve(1L << power);
        var kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(kept < 20L << 20, $"{kept} bytes are kept after three long sequences.");

        static void Convolve(long length)
        {
            using var scope = NewDisposeScope();
            _ = FlashConv.Convolve(ones(1, 1, 1, length), ones(1, length));
        }
    }

    private static void Check(long length, long taps)
    {
        foreach (var width in SimdWidth.All)
        {
            using var limit = SimdWidth.Limit(width);
            CheckHere(length, taps);
        }
    }

    private static void CheckHere(long length, long taps)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator((ulong)length);
        var u = randn([2, 3, 1, length], generator: random).requires_grad_(true);
        var kernel = randn([3, taps], generator: random).requires_grad_(true);
        var upstream = randn([2, 3, 1, length], generator: random);
        var (fast, exact) = (Pass(KernelChoice.Cpu, ScalarType.Float32), Pass(KernelChoice.Reference, ScalarType.Float64));

        foreach (var (name, expected, actual) in exact.Zip(fast, (e, a) => (e.Name, e.Value, a.Value)))
            Close.Check($"{name} of length {length}, {taps} taps", expected, actual, relativeToLargest: Tolerance);

        (string Name, Tensor Value)[] Pass(KernelChoice choice, ScalarType dtype)
        {
            using var chosen = KernelSelection.Use(choice);
            var y = FlashConv.Convolve(u.to(dtype), kernel.to(dtype));
            var gradients = autograd.grad([y], [u, kernel], [upstream.to(dtype)]);
            return [("y", y), ("du", gradients[0]), ("dk", gradients[1])];
        }
    }
}
