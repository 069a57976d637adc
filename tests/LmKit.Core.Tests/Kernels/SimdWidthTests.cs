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
    [Theory]
    [InlineData("DOTNET_EnableAVX512", 256)]
    [InlineData("DOTNET_EnableAVX2", 128)]
    [InlineData("DOTNET_EnableHWIntrinsic", 128)]
    public void The_runtimes_switches_lower_the_width(string name, int widest)
    {
        if (Environment.GetEnvironmentVariable(name) == "0")
            Assert.InRange(SimdWidth.Bits, 128, widest);
        else
            Assert.Contains(SimdWidth.Bits, SimdWidth.All);
    }
}
