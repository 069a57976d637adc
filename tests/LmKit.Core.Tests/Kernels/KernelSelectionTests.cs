namespace LmKit.Core.Tests;

public class KernelSelectionTests
{
    [Theory]
    [InlineData(null, KernelChoice.Cpu)]
    [InlineData("", KernelChoice.Cpu)]
    [InlineData("cpu", KernelChoice.Cpu)]
    [InlineData("Reference", KernelChoice.Reference)]
    public void The_environment_names_the_kernels(string? text, KernelChoice expected) => Assert.Equal(expected, KernelSelection.Parse(text));

    [Theory]
    [InlineData("1")]
    [InlineData("fast")]
    public void Another_name_is_refused_with_those_there_are(string text)
    {
        var error = Assert.Throws<ConfigurationException>(() => KernelSelection.Parse(text));

        Assert.Contains(KernelSelection.Variable, error.Message, StringComparison.Ordinal);
        Assert.Contains("reference or cpu", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_choice_for_a_piece_of_code_ends_with_it()
    {
        var before = KernelSelection.Current;
        using (KernelSelection.Use(KernelChoice.Reference))
        {
            using (KernelSelection.Use(KernelChoice.Cpu))
                Assert.Equal(KernelChoice.Cpu, KernelSelection.Current);
            Assert.Equal(KernelChoice.Reference, KernelSelection.Current);
        }

        Assert.Equal(before, KernelSelection.Current);
    }
}
