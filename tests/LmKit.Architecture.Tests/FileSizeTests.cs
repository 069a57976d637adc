namespace LmKit.Architecture.Tests;

public class FileSizeTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const int longest = 300;
    private const int longestKernel = 500;   // a kernel's loops belong side by side
    private const int tailLimit = 200;       // nine files of ten
    private const int shortestMedian = 60;
    private const int longestMedian = 90;

    [Fact]
    public void No_source_file_is_too_long() =>
        Offenders.None(
            $"At most {longest} lines a file, {longestKernel} under Kernels/.",
            from file in Repository.Files("src", ".cs", ".cu")
            where file.Lines.Length > (file.IsInFolder("Kernels") ? longestKernel : longest)
            select $"{file.Path}: {file.Lines.Length} lines");

    [Fact]
    public void Most_source_files_are_short()
    {
        var files = Repository.Files("src", ".cs").OrderByDescending(file => file.Lines.Length).ToList();
        var tail = FileLengths.Percentile([.. files.Select(file => file.Lines.Length).Order()], 90);
        var longest = string.Join("\n  ", files.Take(10).Select(file => $"{file.Path}: {file.Lines.Length} lines"));

        Assert.True(tail <= tailLimit, $"90th percentile {tail} (at most {tailLimit}); the longest:\n  {longest}");
    }

    [Fact]
    public void Source_files_are_neither_splinters_nor_rolls()
    {
        var files = Repository.Files("src", ".cs");
        List<int> lengths = [.. files.Select(file => file.Lines.Length).Order()];
        var median = FileLengths.Percentile(lengths, 50);
        var small = files.Where(file => file.Lines.Length <= FileLengths.SmallFile).ToList();
        var allowed = FileLengths.SmallFilesAllowed(files.Count);
        output.WriteLine($"{lengths.Count} files, median {median} lines, {small.Count} of {FileLengths.SmallFile} or fewer ({allowed} allowed), longest {lengths.LastOrDefault()}");

        Assert.True(median is >= shortestMedian and <= longestMedian, $"The median is {median} lines; it is to be {shortestMedian} to {longestMedian}.");
        Assert.True(
            small.Count <= allowed,
            $"{small.Count} of {files.Count} files have {FileLengths.SmallFile} lines or fewer; {allowed} may (40 of 460):\n  {string.Join("\n  ", small.Select(file => $"{file.Path}: {file.Lines.Length} lines"))}");
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, 50, 2)]
    [InlineData(new[] { 1, 2, 3, 4 }, 50, 2)]
    [InlineData(new[] { 10, 20, 30, 40, 50, 60, 70, 80, 90, 100 }, 90, 90)]
    [InlineData(new int[0], 50, 0)]
    public void A_percentile_is_the_value_that_share_does_not_exceed(int[] ascending, int percent, int expected) =>
        Assert.Equal(expected, FileLengths.Percentile(ascending, percent));
}
