using System.Runtime.Intrinsics;

namespace LmKit.Core.Tests.Kernels;

[Trait("Category", "Kernel")]
public class SimdWidthTests
{
    [Fact]
    public void A_limit_holds_until_it_is_disposed()
    {
        var widest = SimdWidth.Bits;
        foreach (var width in SimdWidth.All)
        {
            using (SimdWidth.Limit(width))
                Assert.Equal(width, SimdWidth.Bits);
            Assert.Equal(widest, SimdWidth.Bits);
        }
        using (SimdWidth.Limit(512))
            Assert.Equal(widest, SimdWidth.Bits);

        Assert.Equal(128, SimdWidth.All[^1]);
        Assert.Contains("64", Assert.Throws<ArgumentOutOfRangeException>(() => SimdWidth.Limit(64)).Message, StringComparison.Ordinal);
    }

    // CI runs this category once more with each of the runtime's switches off; whatever is set, the width must obey.
    [Fact]
    public void The_width_is_the_runtimes_under_the_switches_of_this_process()
    {
        var allowed = IsOff("DOTNET_EnableHWIntrinsic") || IsOff("DOTNET_EnableAVX2") ? 128 : IsOff("DOTNET_EnableAVX512") ? 256 : 512;

        Assert.InRange(SimdWidth.Bits, 128, allowed);
        Assert.Equal(Vector512.IsHardwareAccelerated, SimdWidth.Bits == 512);
        Assert.Equal(Vector256.IsHardwareAccelerated, SimdWidth.Bits >= 256);
        Assert.Equal(SimdWidth.Bits, SimdWidth.All[0]);
    }

    private static bool IsOff(string name) => Environment.GetEnvironmentVariable(name) == "0";
}
