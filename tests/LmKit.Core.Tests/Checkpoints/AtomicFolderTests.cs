namespace LmKit.Core.Tests;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Model => folder["model"];

    public void Dispose()
    {
        FolderCommit.Watcher = null;
        folder.Dispose();
    }

    private static Action<string> Fill(string text) => path => File.WriteAllText(Path.Combine(path, "a.txt"), text);

    private string Content(string name = "model") => File.ReadAllText(Path.Combine(folder[name], "a.txt"));

    private static string[] Entries(string path) =>
        [.. Directory.EnumerateFileSystemEntries(path, "*", SearchOption.AllDirectories).Select(entry => Path.GetRelativePath(path, entry)).Order(StringComparer.Ordinal)];

    private void Place(string name, string text)
    {
        _ = Directory.CreateDirectory(folder[name]);
        Fill(text)(folder[name]);
    }

    // As a process leaves it that is killed in the middle of a save.
    private void CutOff(string work, string part, string text)
    {
        Place(Path.Combine(work, part), text);
        File.WriteAllText(Path.Combine(folder[work], "lock"), "");
    }

    [Fact]
    public void What_a_save_writes_is_replaced_and_everything_else_stays()
    {
        AtomicFolder.Write(Model, path => { Fill("old")(path); File.WriteAllText(Path.Combine(path, "b.txt"), "b"); });
        Place(Path.Combine("model", "step-1"), "step");
        File.WriteAllText(Path.Combine(Model, ".hidden"), "hidden");
        File.CreateSymbolicLink(Path.Combine(Model, "link"), ".hidden");
        AtomicFolder.Write(Model, Fill("new"));
        Assert.Equal("new", Content());
        Assert.Equal([".hidden", "a.txt", "b.txt", "link", "step-1", "step-1/a.txt"], Entries(Model));
        Assert.Equal(".hidden", new FileInfo(Path.Combine(Model, "link")).LinkTarget);
        Assert.Equal("step", Content(Path.Combine("model", "step-1")));
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void Files_in_folders_are_put_beside_those_that_are_there()
    {
        Place(Path.Combine("model", "in", "deep"), "mine");
        AtomicFolder.Write(Model, path => { Directory.CreateDirectory(Path.Combine(path, "in")); File.WriteAllText(Path.Combine(path, "in", "b.txt"), "b"); });
        Assert.Equal(["in", "in/b.txt", "in/deep", "in/deep/a.txt"], Entries(Model));
        Assert.Equal("mine", Content(Path.Combine("model", "in", "deep")));
    }

    [Theory]
    [InlineData("a.txt/x", "is a folder where a file is to be saved")]
    [InlineData("in", "is a file where a folder is to be saved")]
    public void What_stands_in_the_way_is_named_and_nothing_changes(string name, string fault)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(Model, name))!);
        File.WriteAllText(Path.Combine(Model, name), "mine");
        var before = Entries(Model);
        var error = Assert.Throws<IOException>(() => AtomicFolder.Write(Model, path =>
        {
            Fill("new")(path);
            Directory.CreateDirectory(Path.Combine(path, "in"));
            File.WriteAllText(Path.Combine(path, "in", "b.txt"), "b");
        }));
        Assert.Contains(Path.Combine(Model, name.Split('/')[0]), error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Entries(Model));
    }

    [Fact]
    public void A_failure_half_way_keeps_the_old_files_and_leaves_no_litter()
    {
        AtomicFolder.Write(Model, Fill("old"));
        foreach (var name in new[] { "model", "other" })
            _ = Assert.Throws<IOException>(() => AtomicFolder.Write(folder[name], path => { Fill("new")(path); throw new IOException("disk full"); }));
        Assert.Equal("old", Content());
        Assert.Equal(["a.txt"], Entries(Model));
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_disk_that_is_full_for_a_new_name_leaves_all_old_files_and_no_litter()
    {
        AtomicFolder.Write(Model, Fill("old"));
        var moves = 0;
        FolderCommit.Watcher = step => { if (step == "moving" && ++moves == 2) throw new IOException("disk full"); };
        var error = Assert.Throws<IOException>(() => AtomicFolder.Write(Model, path => { Fill("new")(path); File.WriteAllText(Path.Combine(path, "b.txt"), "b"); File.WriteAllText(Path.Combine(path, "c.txt"), "c"); }));
        Assert.Contains("nothing was changed", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", Content());
        Assert.Equal(["a.txt"], Entries(Model));
    }

    [Fact]
    public void The_link_to_a_folder_stays_a_link_and_its_target_gets_the_files()
    {
        Place("target", "old");
        File.WriteAllText(Path.Combine(folder["target"], "mine"), "mine");
        Directory.CreateSymbolicLink(Model, folder["target"]);
        AtomicFolder.Write(Model + Path.DirectorySeparatorChar, Fill("new"));
        Assert.Equal(folder["target"], new DirectoryInfo(Model).LinkTarget);
        Assert.Equal("new", Content("target"));
        Assert.Equal(["a.txt", "mine"], Entries(folder["target"]));
        Directory.CreateSymbolicLink(folder["dangling"], folder["later"]);
        AtomicFolder.Write(folder["dangling"], Fill("new"));
        Assert.Equal("new", Content("later"));
        Assert.NotNull(new DirectoryInfo(folder["dangling"]).LinkTarget);
    }

    [Fact]
    public void The_linked_file_keeps_its_content_and_permissions_pass_on()
    {
        if (OperatingSystem.IsWindows())
            return;
        AtomicFolder.Write(Model, Fill("old"));
        File.SetUnixFileMode(Path.Combine(Model, "a.txt"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        AtomicFolder.Write(Model, Fill("new"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Model, "a.txt")));
        File.WriteAllText(folder["blob"], "blob");
        File.Delete(Path.Combine(Model, "a.txt"));
        File.CreateSymbolicLink(Path.Combine(Model, "a.txt"), folder["blob"]);
        AtomicFolder.Write(Model, Fill("newer"));
        Assert.Equal("blob", File.ReadAllText(folder["blob"]));
        Assert.Equal("newer", Content());
    }

    [Fact]
    public void A_file_where_a_folder_is_to_be_saved_is_named()
    {
        File.WriteAllText(Model, "mine");
        Assert.Contains($"{Model} is a file", Assert.Throws<IOException>(() => AtomicFolder.Write(Model, Fill("new"))).Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Model));
    }

    [Fact]
    public void What_a_killed_writer_left_is_kept_by_a_reader_and_removed_by_the_next_writer()
    {
        Place("model", "old");
        CutOff(Path.Combine("model", ".lmkit-save"), "filling", "litter");
        CutOff("model.lmkit-save", "filling", "litter");
        AtomicFolder.Recover(Model);
        Assert.Equal("old", AtomicFolder.Read(Model, path => File.ReadAllText(Path.Combine(path, "a.txt"))));
        Assert.Equal("litter", Content(Path.Combine("model", ".lmkit-save", "filling")));
        AtomicFolder.Write(Model, Fill("new"));
        Assert.Equal("new", Content());
        Assert.Equal(["a.txt"], Entries(Model));
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void Files_that_were_complete_when_their_writer_was_killed_are_put_in_place_by_a_reader()
    {
        Place("model", "old");
        CutOff(Path.Combine("model", ".lmkit-save"), "complete", "new");
        Assert.Equal("new", AtomicFolder.Read(Model + Path.DirectorySeparatorChar, path => File.ReadAllText(Path.Combine(path, "a.txt"))));
        Assert.Equal(["a.txt"], Entries(Model));
    }

    [Theory]
    [InlineData("model.lmkit-filling")]
    [InlineData("model.lmkit-next")]
    [InlineData("model.lmkit-previous")]
    [InlineData("model.lmkit-save/notes")]
    [InlineData("model/.lmkit-filling")]
    [InlineData("model.previous")]
    public void Folders_of_the_user_with_similar_names_stay(string name)
    {
        Place("model", "old");
        Place(name, "mine");
        AtomicFolder.Recover(Model);
        AtomicFolder.CleanAll(folder.Path);
        AtomicFolder.Write(Model, Fill("new"));
        AtomicFolder.Write(Model, Fill("newer"));
        Assert.Equal("mine", Content(name));
        Assert.Equal("newer", Content());
    }

    [Theory]
    [InlineData("model/.lmkit-save/filling")]
    [InlineData("model/.lmkit-save/complete")]
    public void A_work_folder_that_somebody_else_made_is_refused_and_stays(string name)
    {
        Place("model", "old");
        Place(name, "mine");
        Assert.Equal("old", AtomicFolder.Read(Model, path => File.ReadAllText(Path.Combine(path, "a.txt"))));
        AtomicFolder.CleanAll(folder.Path);
        var error = Assert.Throws<IOException>(() => AtomicFolder.Write(Model, Fill("new")));
        Assert.Contains("which LmKit did not put there", error.Message, StringComparison.Ordinal);
        Assert.Equal(("mine", "old"), (Content(name), Content()));
    }

    [Fact]
    public void A_reader_and_a_cleaner_do_not_disturb_a_living_writer()
    {
        AtomicFolder.Write(Model, Fill("old"));
        AtomicFolder.Write(Model, path =>
        {
            Fill("new")(path);
            AtomicFolder.Recover(Model);
            AtomicFolder.RecoverAll(folder.Path);
            AtomicFolder.CleanAll(folder.Path);
            Assert.Equal("old", Content());
        });
        Assert.Equal("new", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public async Task Of_two_who_make_the_same_new_folder_both_end_and_one_wins()
    {
        for (var round = 0; round < 20; round++)
        {
            var path = folder[$"new-{round}"];
            await Task.WhenAll(Enumerable.Range(0, 3).Select(writer => Task.Run(() => AtomicFolder.Write(path, Fill($"{writer}")))));
            Assert.Contains(Content($"new-{round}"), (string[])["0", "1", "2"]);
            Assert.Equal(["a.txt"], Entries(path));
        }
        Assert.Equal(20, folder.Names.Length);
    }

    [Fact]
    public void Removing_takes_what_is_ours_and_spares_a_folder_that_holds_more()
    {
        AtomicFolder.Write(Model, Fill("old"));
        File.WriteAllText(Path.Combine(Model, "notes.txt"), "mine");
        Assert.False(AtomicFolder.Remove(Model, ["a.txt"]));
        Assert.Equal(["a.txt", "notes.txt"], Entries(Model));
        File.Delete(Path.Combine(Model, "notes.txt"));
        CutOff("other.lmkit-save", "filling", "litter");
        Assert.True(AtomicFolder.Remove(Model, ["a.txt", "b.txt"]));
        AtomicFolder.CleanAll(folder.Path);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void A_link_made_by_a_save_never_takes_what_stands_behind_it()
    {
        using var root = new TemporaryFolder();
        var foreign = Directory.CreateDirectory(root["data"]).FullName;
        File.WriteAllText(Path.Combine(foreign, "precious.txt"), "theirs");
        AtomicFolder.Write(root["m"], target => File.WriteAllText(Path.Combine(target, "a.txt"), "1"));
        var error = Assert.Throws<IOException>(() => AtomicFolder.Write(root["m"], target => Directory.CreateSymbolicLink(Path.Combine(target, "assets"), foreign)));
        Assert.Contains("assets", error.Message, StringComparison.Ordinal);
        Assert.Equal("theirs", File.ReadAllText(Path.Combine(foreign, "precious.txt")));
    }
}
