using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class CaseProcessTests
{
    [Fact]
    public void Half_of_the_tuned_processes_run_without_the_cache_of_small_blocks()
    {
        var (first, second) = (AllocatorSettings.Tuned(0), AllocatorSettings.Tuned(1));

        Assert.False(first.ContainsKey("GLIBC_TUNABLES"));
        Assert.True(second.ContainsKey("GLIBC_TUNABLES"));
        Assert.All(first, setting => Assert.Equal(setting.Value, second[setting.Key]));
        Assert.Empty(AllocatorSettings.Default);
    }

    [Fact]
    public void A_bad_command_line_of_a_case_is_refused() =>
        Assert.Throws<ArgumentException>(() => CaseOptions.Parse(["name", "1"]));
}
