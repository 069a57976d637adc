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

public abstract class GatedFlashConvConformance(long tapCount) : KernelConformance
{
    protected override IReadOnlyList<long> Lengths => [1, 2, 7, 16, 65, 257, 700];

    protected override IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float32];

    protected override double Tolerance(ScalarType dtype) => 3e-6;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Reference);
        return Convolve([.. inputs.Select(input => input.to(ScalarType.Float64))]).to(inputs[0].dtype);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Cpu);
        return Convolve(inputs);
    };

    // u, K, D and both gates.
    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random)
    {
        Tensor kernel = randn([16, tapCount > 0 ? tapCount : length], dtype, generator: random), skip = randn([16], dtype, generator: random);
        return [Signals(), kernel, skip, Signals(), Signals()];

        Tensor Signals() => randn([2, length, 16], dtype, generator: random); // (B, L, H)
    }

    // Views of channels that lie side by side, as projections give them.
    private static Tensor Convolve(IReadOnlyList<Tensor> inputs)
    {
        using var scope = NewDisposeScope();
        var y = FlashConv.Convolve(Turned(inputs[0]), inputs[1], inputs[2], Turned(inputs[3]), Turned(inputs[4]));
        return y.squeeze(2).transpose(1, 2).MoveToOuterDisposeScope(); // (B, L, H)
    }

    private static Tensor Turned(Tensor columns) => columns.transpose(1, 2).unsqueeze(2);
}

public class FlashConvOfAKernelAsLongAsTheSequence() : FlashConvKernelConformance(0);

public class FlashConvOfAShortKernel() : FlashConvKernelConformance(5);

public class FlashConvOfALongKernel() : FlashConvKernelConformance(1300);

public class FlashConvWithGates() : GatedFlashConvConformance(0);

public class FlashConvWithGatesOfAShortKernel() : GatedFlashConvConformance(40);

[NoTensorLeak]
[Trait("Category", "Kernel")]
public class FlashConvTests
{
    // Against sums in float64, relative to the largest output, whose terms are N(0, 1).
    private const double Tolerance = 3e-6;

    // Fills the widest vector.
    private const long Channels = 16;

    [Theory]
    [InlineData(2048, 2048)]
    [InlineData(3000, 64)]
    [InlineData(4096, 64)]
    [InlineData(5000, 200)]
    [InlineData(8192, 8192)]
    public void Long_sequences_agree_with_the_reference(long length, long taps) => Check(length, taps);

    // Transforms of 2^k, 3 2^k and 5 2^k samples, and one more than each.
    [Theory]
    [InlineData(640)]
    [InlineData(641)]
    [InlineData(768)]
    [InlineData(769)]
    [InlineData(1025)]
    [InlineData(1280)]
    [InlineData(1279)]
    [InlineData(1283)]
    [InlineData(1536)]
    [InlineData(1537)]
    [InlineData(2003)]
    [InlineData(2560)]
    [InlineData(3072)]
    public void Lengths_between_powers_of_two_agree_with_the_reference(long length) => Check(length, length);

    [Theory]
    [InlineData(2047, 1)]
    [InlineData(2047, 64)]
    [InlineData(1100, 256)]
    [InlineData(3000, 250)]
    [InlineData(4500, 512)]
    public void Kernels_much_shorter_than_the_sequence_agree_with_the_reference(long length, long taps) => Check(length, taps);

    [Theory]
    [InlineData(300, 300, 3, false)]
    [InlineData(512, 512, 3, false)]
    [InlineData(4500, 64, 3, false)]
    [InlineData(300, 300, 16, true)]
    [InlineData(4500, 64, 16, true)]
    public void A_gradient_asked_for_alone_is_the_same(long length, long taps, long channels, bool isChannelsLast)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        Tensor[] inputs = [Signals(), randn([channels, taps], generator: random), randn([channels], generator: random), Signals(), Signals()];
        var upstream = Signals();
        var all = Gradients([.. inputs.Select(_ => true)]);

        for (var only = 0; only < inputs.Length; only++)
            Close.Check($"gradient {only}", all[only], Gradients([.. inputs.Select((_, index) => index == only)])[0], relativeToLargest: 1e-6);

        Tensor Signals() => isChannelsLast
            ? randn([2, length, channels], generator: random).transpose(1, 2).unsqueeze(2)
            : randn([2, channels, 1, length], generator: random);

        Tensor[] Gradients(bool[] asked)
        {
            var leaves = inputs.Zip(asked, (input, isAsked) => input.clone().requires_grad_(isAsked)).ToArray();
            return [.. autograd.grad([FlashConv.Convolve(leaves[0], leaves[1], leaves[2], leaves[3], leaves[4])], [.. leaves.Where(leaf => leaf.requires_grad)], [upstream])];
        }
    }

    [Fact]
    public void The_way_back_is_as_wide_as_the_way_there()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        var (u, kernel) = (randn([2, 100, 4], generator: random).requires_grad_(true), randn([4, 100], generator: random).requires_grad_(true));
        var upstream = randn([2, 4, 1, 100], generator: random);

        Tensor y;
        using (SimdWidth.Limit(SimdWidth.All[^1]))
            y = FlashConv.Convolve(u.transpose(1, 2).unsqueeze(2), kernel);
        var gradients = autograd.grad([y], [u, kernel], [upstream]);

        var (wide, wideKernel) = (u.detach().to(ScalarType.Float64).requires_grad_(true), kernel.detach().to(ScalarType.Float64).requires_grad_(true));
        var expected = autograd.grad([FlashConv.Convolve(wide.transpose(1, 2).unsqueeze(2), wideKernel)], [wide, wideKernel], [upstream.to(ScalarType.Float64)]);
        Close.Check("du", expected[0], gradients[0], relativeToLargest: Tolerance);
        Close.Check("dk", expected[1], gradients[1], relativeToLargest: Tolerance);
    }

    [Fact]
    public void Plans_of_long_sequences_are_not_kept_for_ever() => OwnProcess.Check(CheckMemoryInThisProcess);

    [Fact]
    public void An_empty_sequence_and_an_empty_batch_give_empty_results()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([2, 3, 1, 0], FlashConv.Convolve(zeros(2, 3, 1, 0), ones(3, 4)).shape);
        Assert.Equal([0, 3, 1, 5], FlashConv.Convolve(zeros(0, 3, 1, 5), ones(3, 4)).shape);
        Tensor[] inputs = [.. new[] { zeros(0, 3, 1, 5), ones(3, 4), ones(3), zeros(0, 3, 1, 5), zeros(0, 3, 1, 5) }.Select(input => input.requires_grad_(true))];
        var gradients = autograd.grad([FlashConv.Convolve(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])], inputs, [zeros(0, 3, 1, 5)]);
        Assert.All(gradients.Zip(inputs), pair => Assert.Equal(pair.Second.shape, pair.First.shape));
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("(2, 3, 4)", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros(2, 3, 4), ones(3, 4))).Message, StringComparison.Ordinal);
        Assert.Contains("Float16", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros([1, 3, 1, 4], ScalarType.Float16), ones([3, 4], ScalarType.Float16))).Message, StringComparison.Ordinal);
        Assert.Contains("inputGate (1, 3, 1, 4)", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros(1, 3, 1, 4), ones(3, 4), inputGate: zeros(1, 3, 4))).Message, StringComparison.Ordinal);
        Assert.Contains("skip (3)", Assert.Throws<ArgumentException>(() => FlashConv.Convolve(zeros(1, 3, 1, 4), ones(3, 4), zeros(4))).Message, StringComparison.Ordinal);
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

    // Every width of vector, both layouts, all inputs, with channels that fill vectors.
    private static void Check(long length, long taps)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator((ulong)length);
        var (u, inputGate, outputGate) = (Signals(), Signals(), Signals()); // (B, L, H)
        var kernel = (randn([Channels, taps], generator: random) / Math.Sqrt(taps)).detach().requires_grad_(true);
        var skip = randn([Channels], generator: random).requires_grad_(true);
        var upstream = randn([2, length, Channels], generator: random);
        var exact = Pass(KernelChoice.Reference, ScalarType.Float64, isChannelsLast: false);

        foreach (var (width, isChannelsLast) in SimdWidth.All.SelectMany(width => new[] { (width, false), (width, true) }))
        {
            using var limit = SimdWidth.Limit(width);
            foreach (var (name, expected, actual) in exact.Zip(Pass(KernelChoice.Cpu, ScalarType.Float32, isChannelsLast), (e, a) => (e.Name, e.Value, a.Value)))
                Close.Check($"{name} of length {length}, {taps} taps, {width} bits, channels last {isChannelsLast}", expected, actual, relativeToLargest: Tolerance);
        }

        Tensor Signals() => randn([2, length, Channels], generator: random).requires_grad_(true);

        (string Name, Tensor Value)[] Pass(KernelChoice choice, ScalarType dtype, bool isChannelsLast)
        {
            using var chosen = KernelSelection.Use(choice);
            Tensor[] given = [.. new[] { u, inputGate, outputGate }.Select(tensor => tensor.to(dtype).transpose(1, 2).unsqueeze(2))];
            if (!isChannelsLast)
                given = [.. given.Select(tensor => tensor.contiguous())];
            var y = FlashConv.Convolve(given[0], kernel.to(dtype), skip.to(dtype), given[1], given[2]).squeeze(2).transpose(1, 2); // (B, L, H)
            var gradients = autograd.grad([y], [u, kernel, skip, inputGate, outputGate], [upstream.to(dtype)]);
            return [("y", y), ("du", gradients[0]), ("dk", gradients[1]), ("dD", gradients[2]), ("dg_in", gradients[3]), ("dg_out", gradients[4])];
        }
    }
}
