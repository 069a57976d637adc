using System.Runtime.InteropServices;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Values come from mapped memory as libtorch would convert and move them, whatever their layout and alignment.</summary>
[NoTensorLeak]
public class MappedCopyTests
{
    private static readonly ScalarType[] types = [ScalarType.Float32, ScalarType.Float64, ScalarType.Float16, ScalarType.BFloat16];

    public static TheoryData<ScalarType, ScalarType> Pairs
    {
        get
        {
            var pairs = new TheoryData<ScalarType, ScalarType>();
            foreach (var from in types)
            {
                foreach (var to in types)
                    pairs.Add(from, to);
            }
            return pairs;
        }
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_layout_is_copied(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(7);
        foreach (var (rows, columns) in ((long, long)[])[(1, 1), (3, 5), (64, 64), (67, 131), (130, 300), (300, 70)])
        {
            var source = randn([rows, columns], generator: random).to(from);
            Same(source, to);
            Same(source.transpose(0, 1), to);
            Same(source.narrow(1, columns / 2, columns - (columns / 2)).transpose(0, 1), to);
            Same(source.narrow(1, columns / 3, 1 + (columns / 2)), to);
            Same(source.view(rows, 1, columns).expand(rows, 2, columns), to);
        }
        Same(randn([4, 3, 6, 5], generator: random).to(from).select(1, 1), to);
        Same(randn([4, 3, 6, 5], generator: random).to(from).permute(3, 1, 0, 2), to);
        Same(randn([2_000_000], generator: random).to(from), to);
        Same(zeros([0, 4], from), to);
        Same(randn([], generator: random).to(from), to);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Values_that_are_not_aligned_are_copied(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(7);
        var wanted = randn([301, 70], generator: random).to(from);
        var memory = empty([wanted.numel() * wanted.element_size() + 1], ScalarType.Byte);
        wanted.bytes.CopyTo(memory.bytes[1..]);
        var source = TensorAddress.View(TensorAddress.Of(memory) + 1, from, [301, 70]);

        foreach (var (view, plain) in ((Tensor, Tensor)[])[(source, wanted), (source.transpose(0, 1), wanted.transpose(0, 1)), (source.narrow(1, 3, 11), wanted.narrow(1, 3, 11))])
        {
            var target = empty(view.shape, to);
            Assert.True(MappedCopy.Into(view, target));
            Assert.True(plain.to(to).Equals(target));
        }
    }

    /// <summary>All numbers of 16 bits, the smallest and those that are none among them.</summary>
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Every_number_of_16_bits_is_widened(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var all = OfBits([.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)], type);
        var target = empty([1 << 16], ScalarType.Float32);

        Assert.False(MappedCopy.Into(all, target));
        Assert.True(all.to(ScalarType.Float32).nan_to_num(nan: 7).Equals(target.nan_to_num(nan: 7)));
    }

    [Fact]
    public void Numbers_are_narrowed_to_the_nearest()
    {
        using var scope = NewDisposeScope();
        // Around every halfway point: the upper half of a float32 with a lower half just below, at and just above the middle.
        var all = OfBits([.. Enumerable.Range(0, 1 << 16).SelectMany(upper => ((uint[])[0, 0x7FFF, 0x8000, 0x8001, 0xFFFF]).Select(lower => ((uint)upper << 16) | lower))], ScalarType.Float32);
        var target = empty([all.numel()], ScalarType.BFloat16);

        Assert.False(MappedCopy.Into(all, target));
        Assert.True(all.to(ScalarType.BFloat16).to(ScalarType.Float32).nan_to_num(nan: 7).Equals(target.to(ScalarType.Float32).nan_to_num(nan: 7)));
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_number_that_is_none_is_seen(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        foreach (var at in (long[])[0, 4999, 9_999])
        {
            foreach (var value in (double[])[double.NaN, double.PositiveInfinity])
            {
                var source = zeros([100, 100], from);
                source.view(-1)[at] = value;
                Assert.False(MappedCopy.Into(source, empty([100, 100], to)));
                Assert.False(MappedCopy.Into(source.transpose(0, 1), empty([100, 100], to)));
            }
        }
    }

    [Fact]
    public void A_number_that_the_type_cannot_hold_is_seen()
    {
        using var scope = NewDisposeScope();

        Assert.False(MappedCopy.Into(full([70, 70], 1e5), empty([70, 70], ScalarType.Float16)));
        Assert.False(MappedCopy.Into(full([70, 70], 3.4e38), empty([70, 70], ScalarType.BFloat16)));
        Assert.True(MappedCopy.Into(full([70, 70], 3.3e38), empty([70, 70], ScalarType.BFloat16)));
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Equal_numbers_are_equal(ScalarType one, ScalarType other)
    {
        using var scope = NewDisposeScope();
        var first = arange(0, 120, ScalarType.Float32).view(10, 12).to(one);
        var second = arange(0, 120, ScalarType.Float32).view(10, 12).to(other);
        var changed = second.clone();
        changed[9, 11] = 3;

        Assert.True(MappedCopy.AreEqual(first, second));
        Assert.False(MappedCopy.AreEqual(first, changed));
        Assert.False(MappedCopy.AreEqual(first, second.view(12, 10)));
    }

    private static Tensor OfBits<T>(T[] bits, ScalarType type)
        where T : unmanaged
    {
        var tensor = empty([bits.Length], type);
        MemoryMarshal.AsBytes(bits.AsSpan()).CopyTo(tensor.bytes);
        return tensor;
    }

    private static void Same(Tensor source, ScalarType type)
    {
        var target = empty(source.shape, type);
        Assert.True(MappedCopy.Into(source, target));
        Assert.True(source.to(type).Equals(target), $"({string.Join(", ", source.shape)}) with strides ({string.Join(", ", source.stride())}) of {source.dtype} as {type}");

        // Into a part of a wider tensor, as where several tensors become one.
        if (source.dim() == 0)
            return;
        var wide = zeros([source.shape[0] + 3, .. source.shape[1..]], type);
        Assert.True(MappedCopy.Into(source, wide.narrow(0, 2, source.shape[0])));
        Assert.True(source.to(type).Equals(wide.narrow(0, 2, source.shape[0])));
        Assert.Equal(0, wide.narrow(0, 0, 2).count_nonzero().ToInt64());
    }
}
