using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class KernelMemoryTests
{
    [Fact]
    public unsafe void A_views_memory_starts_at_its_offset()
    {
        using var scope = NewDisposeScope();
        using var memory = new TensorMemory<float>(arange(10.0f).narrow(0, 4, 3), "x");

        Assert.Equal(3, memory.Count);
        Assert.Equal(4, memory.Start[0]);
        Assert.Equal([5, 6], memory.Span(1, 2).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => Beyond(long.MaxValue, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => Beyond(2, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => Beyond(0, -1));

        static void Beyond(long start, int count)
        {
            using var three = zeros(3);
            using var opened = new TensorMemory<float>(three, "x");
            _ = opened.Span(start, count);
        }
    }

    [Fact]
    public unsafe void An_empty_tensor_has_no_memory()
    {
        using var scope = NewDisposeScope();
        using var memory = new TensorMemory<double>(zeros(0, 3, dtype: ScalarType.Float64), "x");

        Assert.True(memory.Start is null);
    }

    [Fact]
    public void Long_numbers_and_the_bits_of_bfloat16_are_read()
    {
        using var scope = NewDisposeScope();
        using var longs = new TensorMemory<long>(tensor(new[] { 7L }), "longs");
        using var bits = new TensorMemory<ushort>(ones(1, ScalarType.BFloat16), "bits");

        Assert.Equal(7, longs.Span(0, 1)[0]);
        Assert.Equal(0x3F80, bits.Span(0, 1)[0]);
        Assert.Throws<NotSupportedException>(() => new TensorMemory<byte>(zeros(1), "bytes").Dispose());
    }

    [Fact]
    public void Another_dtype_or_layout_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var strided = zeros(3, 4).t();

        Assert.Contains("taps", Assert.Throws<ArgumentException>(() => Open(strided)).Message, StringComparison.Ordinal);
        Assert.Contains("Float64", Assert.Throws<ArgumentException>(() => Open(zeros(3, dtype: ScalarType.Float64))).Message, StringComparison.Ordinal);

        static void Open(Tensor tensor)
        {
            using var memory = new TensorMemory<float>(tensor, "taps");
        }
    }

    [Fact]
    public unsafe void Scratch_memory_is_aligned_and_used_again()
    {
        nint first;
        using (var memory = ScratchMemory.Rent(1000))
        {
            first = (nint)memory.Start;
            Assert.Equal(0, first % 64);
            using var other = ScratchMemory.Rent(1000);
            Assert.NotEqual(first, (nint)other.Start);
            memory.Start[999] = other.Start[999] = 1;
        }
        using var again = ScratchMemory.Rent(500);

        Assert.Equal(first, (nint)again.Start);
    }
}
