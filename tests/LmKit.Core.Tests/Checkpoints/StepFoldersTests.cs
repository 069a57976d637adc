namespace LmKit.Core.Tests;

public sealed class StepFoldersTests : IDisposable
{
    private readonly string root = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    private string[] Entries => [.. Directory.EnumerateFileSystemEntries(root).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void Two_kinds_of_run_share_a_root_without_removing_each_other()
    {
        StepFolders one = new(root, "one.json"), two = new(root, "two.json");
        Save(one, "one.json", 1, 3, 5);
        Save(two, "two.json", 2, 4, 6);

        Assert.Equal(["step-00000003", "step-00000004", "step-00000005", "step-00000006"], Entries);
        Assert.EndsWith("step-00000005", one.Latest(), StringComparison.Ordinal);
        Assert.Contains("no one.json", Assert.Throws<IOException>(() => Save(one, "one.json", 6)).Message, StringComparison.Ordinal);
        Assert.EndsWith("step-00000006", two.Latest(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_just_saved_stays_beside_the_later_steps_of_an_older_run()
    {
        var folders = new StepFolders(root, "one.json");
        Save(folders, "one.json", 8, 9, 1);

        Assert.Equal(["step-00000001", "step-00000008", "step-00000009"], Entries);
    }

    [Fact]
    public void A_checkpoint_into_which_somebody_put_a_file_is_kept_and_so_is_everything_else()
    {
        var folders = new StepFolders(root, "one.json");
        Save(folders, "one.json", 1, 2);
        File.WriteAllText(Path.Combine(root, "step-00000001", "notes.txt"), "mine");
        File.WriteAllText(Path.Combine(root, "README.md"), "mine");
        Save(folders, "one.json", 3, 4);

        Assert.Equal(["README.md", "step-00000001", "step-00000003", "step-00000004"], Entries);
        Assert.Equal(["notes.txt", "one.json"], Directory.EnumerateFiles(Path.Combine(root, "step-00000001")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Save(folders, "one.json", 4);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(root, "step-00000001", "notes.txt")));
    }

    private static void Save(StepFolders folders, string header, params long[] steps)
    {
        foreach (var step in steps)
            folders.Save(step, folder => File.WriteAllText(Path.Combine(folder, header), "{}"));
    }

    [Fact]
    public void Saving_says_which_folder_it_wrote()
    {
        var folders = new StepFolders(root, "one.json");
        var saved = folders.Save(7, folder => File.WriteAllText(Path.Combine(folder, "one.json"), "{}"));

        Assert.Equal(Path.Combine(root, "step-00000007"), saved);
        Assert.Equal(saved, folders.Latest());
    }
}
