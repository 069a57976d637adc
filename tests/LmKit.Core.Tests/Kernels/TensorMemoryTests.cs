using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
public class TensorMemoryTests
{
    [Fact]
    public void Memory_begins_at_the_first_element_of_a_view()
    {
        using var scope = NewDisposeScope();
        var view = arange(10, ScalarType.Float32).narrow(0, 3, 4);

        using var memory = new TensorMemory<float>(view, "view");

        Assert.Equal([3, 4, 5, 6], memory.Span.ToArray());
    }

    [Fact]
    public void Elements_of_every_served_type_are_read()
    {
        using var scope = NewDisposeScope();

        using var doubles = new TensorMemory<double>(tensor(new[] { 1.5 }), "doubles");
        using var longs = new TensorMemory<long>(tensor(new[] { 7L }), "longs");
        using var brains = new TensorMemory<ushort>(ones(1, ScalarType.BFloat16), "brains");
        using var none = new TensorMemory<float>(zeros(0, 3), "none");

        Assert.Equal(1.5, doubles.Span[0]);
        Assert.Equal(7, longs.Span[0]);
        Assert.Equal(0x3F80, brains.Span[0]);
        Assert.Equal(0, none.Length);
    }

    [Fact]
    public void Another_type_device_or_layout_is_refused_by_name()
    {
        using var scope = NewDisposeScope();

        Refused("queries is Float64", () => Open(zeros(2, ScalarType.Float64)));
        Refused("queries is on meta", () => Open(zeros(2, device: META)));
        Refused("queries of shape (3, 2) is not contiguous", () => Open(zeros(2, 3).transpose(0, 1)));
        Assert.Throws<ArgumentNullException>(() => Open(null!));
        Assert.ThrowsAny<InvalidOperationException>(() => Open(Disposed()));
    }

    private static void Refused(string expected, Action open) => Assert.Contains(expected, Assert.Throws<ArgumentException>(open).Message, StringComparison.Ordinal);

    private static void Open(Tensor tensor)
    {
        using var memory = new TensorMemory<float>(tensor, "queries");
    }

    private static Tensor Disposed()
    {
        var tensor = zeros(1);
        tensor.Dispose();
        return tensor;
    }
}
