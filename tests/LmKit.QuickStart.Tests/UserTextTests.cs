namespace LmKit.QuickStart.Tests;

public sealed class UserTextTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_file_is_split_at_its_last_twelfth()
    {
        var path = folder.Write("a.txt", string.Concat(Enumerable.Repeat("line\r\n", 1200)));

        var split = UserText.Read(path);

        Assert.Equal(string.Concat(Enumerable.Repeat("line\n", 1200)), split.Training + split.Validation);
        Assert.Equal(100, split.Validation.Split('\n').Length - 1, tolerance: 2.0);
    }

    [Fact]
    public void A_folder_is_split_by_whole_files_and_files_that_are_not_text_are_passed_over()
    {
        _ = folder.Write("b/one.txt", "one\n");
        _ = folder.Write("two.md", "\uFEFFtwo\n");
        File.WriteAllBytes(Path.Combine(folder.Path, "zero.bin"), [65, 0, 66]);
        File.WriteAllBytes(Path.Combine(folder.Path, "latin.txt"), [65, 0xE9, 66]);

        var split = UserText.Read(folder.Path);

        Assert.Equal(["one\n", "two\n"], new[] { split.Training, split.Validation }.Order());
    }

    [Fact]
    public void A_folder_with_one_text_is_split_within_it()
    {
        _ = folder.Write("only.txt", new string('x', 120));

        Assert.Equal(10, UserText.Read(folder.Path).Validation.Length);
    }

    [Fact]
    public void A_folder_without_text_is_refused() =>
        Assert.Contains(folder.Path, Assert.Throws<InvalidDataException>(() => UserText.Read(folder.Path)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_missing_path_is_refused() =>
        Assert.Contains("nowhere", Assert.Throws<FileNotFoundException>(() => UserText.Read("nowhere")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_text_is_refused()
    {
        var path = Path.Combine(folder.Path, "a.bin");
        File.WriteAllBytes(path, [1, 0, 2]);

        Assert.Contains("UTF-8", Assert.Throws<InvalidDataException>(() => UserText.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_file_is_refused() =>
        Assert.Throws<InvalidDataException>(() => UserText.Read(folder.Write("empty.txt", "")));
}
