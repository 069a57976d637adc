namespace LmKit.Core.Tests.Kernels;

public unsafe class ScratchMemoryTests
{
    [Fact]
    public void Blocks_are_aligned_apart_and_used_again()
    {
        nint outer, inner;
        using (var first = ScratchMemory.Rent(1000))
        {
            outer = (nint)first.As<float>();
            using var second = ScratchMemory.Rent(1000);
            inner = (nint)second.As<float>();
            first.As<byte>()[999] = 1;
            second.As<byte>()[999] = 2;

            Assert.Equal(1, first.As<byte>()[999]);
            Assert.Equal(0, outer % 64);
            Assert.Equal(0, inner % 64);
        }
        using var again = ScratchMemory.Rent(500);

        Assert.Contains((nint)again.As<float>(), new[] { outer, inner });
    }

    [Fact]
    public void A_block_grows_and_a_negative_size_is_refused()
    {
        using (ScratchMemory.Rent(16))
        {
        }
        using var large = ScratchMemory.Rent(1 << 20);
        large.As<byte>()[(1 << 20) - 1] = 3;

        Assert.Equal(3, large.As<byte>()[(1 << 20) - 1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => ScratchMemory.Rent(-1).Dispose());
    }
}
