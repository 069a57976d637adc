using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a kernel: its fast form equals its reference, forward and backward, whatever the memory looks like, however
/// wide the registers are, and on one thread as on two.</summary>
[NoTensorLeak]
[Trait("Category", "Kernel")]
public abstract class KernelConformance
{
    // Lengths tried on two threads too: threads share rows and channels, which the length does not change.
    private const long ShortestOnTwoThreads = 15;

    private const long LongestOnTwoThreads = 31;

    /// <summary>The reference, differentiable by libtorch.</summary>
    protected abstract Func<IReadOnlyList<Tensor>, Tensor> Reference { get; }

    /// <summary>The form under test.</summary>
    protected abstract Func<IReadOnlyList<Tensor>, Tensor> Fast { get; }

    /// <summary>Makes the inputs of a case; those that are floating or complex get gradients.</summary>
    /// <param name="length">The length of the case.</param>
    /// <param name="dtype">Their (real) dtype.</param>
    /// <param name="random">Source of the values.</param>
    protected abstract IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random);

    /// <summary>Lengths that are tried: none, one, odd, prime, around powers of two.</summary>
    protected virtual IReadOnlyList<long> Lengths => [0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 64, 67, 101, 128, 130];

    /// <summary>Dtypes that are tried.</summary>
    protected virtual IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float64, ScalarType.Float32];

    /// <summary>Largest difference per dtype, relative to the largest entry.</summary>
    protected virtual double Tolerance(ScalarType dtype) => dtype == ScalarType.Float64 ? 1e-12 : 2e-5;

    /// <summary>The same for gradients.</summary>
    protected virtual double GradientTolerance(ScalarType dtype) => 10 * Tolerance(dtype);

    [Fact]
    public void The_fast_form_equals_the_reference() => ForAll((name, dtype, inputs) =>
    {
        using var frozen = no_grad();
        Same(name, Reference(inputs), Fast(inputs), Tolerance(dtype));
    });

    [Fact]
    public void Backward_of_the_fast_form_equals_that_of_the_reference() => ForAll((name, dtype, inputs) =>
    {
        var expected = Gradients(Reference, inputs);
        var actual = Gradients(Fast, inputs);
        for (var index = 0; index < expected.Count; index++)
            Same($"{name}, gradient {index}", expected[index], actual[index], GradientTolerance(dtype));
    });

    [Fact]
    public void Strides_and_storage_offsets_do_not_matter() => ForAll((name, dtype, inputs) =>
    {
        using var frozen = no_grad();
        var expected = Reference(inputs);
        Same($"{name}, strided", expected, Fast([.. inputs.Select(Strided)]), Tolerance(dtype));
        Same($"{name}, offset", expected, Fast([.. inputs.Select(Offset)]), Tolerance(dtype));
        Same($"{name}, axes swapped", expected, Fast([.. inputs.Select(Swapped)]), Tolerance(dtype));
    });

    [Fact]
    public void Inputs_are_not_changed() => ForAll((name, unused, inputs) =>
    {
        using var frozen = no_grad();
        var kept = inputs.Select(input => input.clone()).ToList();
        _ = Fast(inputs);
        for (var index = 0; index < inputs.Count; index++)
            Close.Check($"{name}, input {index}", kept[index], inputs[index]);
    });

    [Fact]
    public void No_call_leaves_a_tensor_behind() => ForAll((name, unused, inputs) => LiveTensors.Unchanged(name, () =>
    {
        using (no_grad())
            Fast(inputs).Dispose();
        using var inner = NewDisposeScope();
        _ = Gradients(Fast, inputs);
    }));

    private void ForAll(Action<string, ScalarType, IReadOnlyList<Tensor>> law)
    {
        foreach (var dtype in Dtypes)
        {
            foreach (var length in Lengths)
            {
                foreach (var width in SimdWidth.All)
                {
                    using var limit = SimdWidth.Limit(width);
                    Case($"length {length}, {dtype}, {width} bits", length, dtype);
                }
                if (length is >= ShortestOnTwoThreads and <= LongestOnTwoThreads)
                    OnTwoThreads(() => Case($"length {length}, {dtype}, two threads", length, dtype));
            }
        }

        void Case(string name, long length, ScalarType dtype)
        {
            using var scope = NewDisposeScope();
            using var random = new Generator((ulong)(length + 1));
            law(name, dtype, Inputs(length, dtype, random));
        }
    }

    private static void OnTwoThreads(Action run)
    {
        var before = get_num_threads();
        set_num_threads(2);
        try
        {
            run();
        }
        finally
        {
            set_num_threads(before);
        }
    }

    private static List<Tensor> Gradients(Func<IReadOnlyList<Tensor>, Tensor> kernel, IReadOnlyList<Tensor> inputs)
    {
        using var random = new Generator(99);
        var leaves = inputs.Select(input => HasGradient(input) ? input.detach().clone().requires_grad_(true) : input).ToList();
        var variables = leaves.Where(HasGradient).ToList();
        var output = kernel(leaves);
        var upstream = randn(output.shape, output.dtype, generator: random);
        return [.. autograd.grad([output], variables, [upstream], allow_unused: true)
            .Select((gradient, index) => gradient is { IsInvalid: false } given ? given : zeros_like(variables[index]))];
    }

    private static bool HasGradient(Tensor tensor) => tensor.is_floating_point() || tensor.is_complex();

    private static Tensor Strided(Tensor tensor) => stack([tensor, zeros_like(tensor)], -1).select(-1, 0);

    private static Tensor Offset(Tensor tensor) => cat([zeros(3, tensor.dtype), tensor.reshape(-1)]).narrow(0, 3, tensor.numel()).view(tensor.shape);

    private static Tensor Swapped(Tensor tensor) => tensor.dim() < 2 ? tensor : tensor.transpose(0, -1).contiguous().transpose(0, -1);

    private static void Same(string name, Tensor expected, Tensor actual, double tolerance)
    {
        Assert.Equal(expected.dtype, actual.dtype);
        Close.Check(name, expected, actual, absolute: tolerance, relativeToLargest: tolerance);
    }
}
