namespace LmKit.Architecture.Tests;

public class FileSizeTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const int _longest = 300;
    private const int _longestKernel = 500;   // a kernel's loops belong side by side
    private const int _medianLimit = 70;
    private const int _tailLimit = 200;       // nine files of ten

    [Fact]
    public void No_source_file_is_too_long() =>
        Offenders.None(
            $"At most {_longest} lines a file, {_longestKernel} under Kernels/.",
            from file in Repository.Files("src", ".cs", ".cu")
            where file.Lines.Length > (file.IsInFolder("Kernels") ? _longestKernel : _longest)
            select $"{file.Path}: {file.Lines.Length} lines");

    [Fact]
    public void Most_source_files_are_short()
    {
        var files = Repository.Files("src", ".cs").OrderByDescending(file => file.Lines.Length).ToList();
        var lengths = files.Select(file => file.Lines.Length).Order().ToList();
        var (median, tail) = (FileLengths.Percentile(lengths, 50), FileLengths.Percentile(lengths, 90));
        output.WriteLine($"{lengths.Count} files, median {median} lines, 90th percentile {tail}, longest {lengths.LastOrDefault()}");
        var longest = string.Join("\n  ", files.Take(10).Select(file => $"{file.Path}: {file.Lines.Length} lines"));

        Assert.True(median <= _medianLimit && tail <= _tailLimit, $"Median {median} (at most {_medianLimit}), 90th percentile {tail} (at most {_tailLimit}); the longest:\n  {longest}");
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, 50, 2)]
    [InlineData(new[] { 1, 2, 3, 4 }, 50, 2)]
    [InlineData(new[] { 10, 20, 30, 40, 50, 60, 70, 80, 90, 100 }, 90, 90)]
    [InlineData(new int[0], 50, 0)]
    public void A_percentile_is_the_value_that_share_does_not_exceed(int[] ascending, int percent, int expected) =>
        Assert.Equal(expected, FileLengths.Percentile(ascending, percent));
}
