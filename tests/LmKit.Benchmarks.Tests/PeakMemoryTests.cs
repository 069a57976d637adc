using System.Runtime.InteropServices;
using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class PeakMemoryTests
{
    private const int Megabyte = 1 << 20;

    [Fact]
    public void Memory_that_a_call_frees_again_is_its_peak()
    {
        if (!AllocatorSettings.IsSupported)
            return;

        Assert.InRange(PeakMemory.Of(() => Touch(256 * Megabyte)), 250L * Megabyte, 300L * Megabyte);
        Assert.InRange(PeakMemory.Of(() => { }), 0, 20L * Megabyte);   // what came before is not counted
    }

    private static unsafe void Touch(int bytes)
    {
        var memory = (byte*)NativeMemory.Alloc((nuint)bytes);
        new Span<byte>(memory, bytes).Fill(1);
        NativeMemory.Free(memory);
    }
}
