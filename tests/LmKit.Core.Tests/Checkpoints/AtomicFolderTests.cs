namespace LmKit.Core.Tests;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Model => folder["model"];

    public void Dispose() => folder.Dispose();

    private static Action<string> Fill(string text) => path => File.WriteAllText(Path.Combine(path, "a.txt"), text);

    private string Content(string name = "model") => File.ReadAllText(Path.Combine(folder[name], "a.txt"));

    private void Place(string name, string text)
    {
        _ = Directory.CreateDirectory(folder[name]);
        Fill(text)(folder[name]);
    }

    [Fact]
    public void The_new_folder_replaces_the_old_one_whole()
    {
        AtomicFolder.Write(Model, path => { Fill("old")(path); File.WriteAllText(Path.Combine(path, "b.txt"), "b"); });
        AtomicFolder.Write(Model, Fill("new"));
        Assert.Equal("new", Content());
        Assert.Single(Directory.GetFiles(Model));
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_failure_half_way_keeps_the_old_folder_and_leaves_no_litter()
    {
        AtomicFolder.Write(Model, Fill("old"));
        _ = Assert.Throws<IOException>(() => AtomicFolder.Write(Model, path => { Fill("new")(path); throw new IOException("disk full"); }));
        Assert.Equal("old", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Theory]
    [InlineData("model.lmkit-filling")]
    [InlineData("model.lmkit-next")]
    [InlineData("model.lmkit-previous")]
    public void What_a_killed_writer_left_beside_the_folder_is_kept_by_a_reader_and_removed_by_the_next_writer(string litter)
    {
        Place("model", "old");
        Place(litter, "litter");
        File.WriteAllText(folder["model.lmkit-lock"], "");
        AtomicFolder.Recover(Model);
        Assert.Equal(new[] { "model", litter, "model.lmkit-lock" }.Order(), folder.Names);
        Assert.Equal("old", Content());
        AtomicFolder.Write(Model, Fill("new"));
        Assert.Equal("new", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_kill_between_the_two_renames_is_finished_by_a_reader()
    {
        Place("model.lmkit-previous", "old");
        Place("model.lmkit-next", "new");
        AtomicFolder.Recover(Model + Path.DirectorySeparatorChar);
        Assert.Equal("new", Content());
    }

    [Fact]
    public void A_previous_folder_alone_comes_back()
    {
        Place("model.lmkit-previous", "old");
        AtomicFolder.Recover(Model);
        Assert.Equal("old", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Theory]
    [InlineData("model.next")]
    [InlineData("model.previous")]
    [InlineData("model.filling-abc")]
    public void Folders_of_the_user_with_similar_names_stay(string name)
    {
        Place(name, "mine");
        AtomicFolder.Recover(Model);
        AtomicFolder.Write(Model, Fill("new"));
        AtomicFolder.Write(Model, Fill("newer"));
        Assert.Equal("mine", Content(name));
        Assert.Equal("newer", Content());
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
    public async Task Writers_and_readers_on_several_threads_see_whole_folders_only()
    {
        AtomicFolder.Write(Model, Fill("start"));
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
                AtomicFolder.Recover(Model);
        });
        var writers = Enumerable.Range(0, 3).Select(writer => Task.Run(() =>
        {
            for (var round = 0; round < 25; round++)
                AtomicFolder.Write(Model, Fill($"{writer}"));
        })).ToArray();
        await Task.WhenAll(writers);
        await stop.CancelAsync();
        await reader;
        Assert.Contains(Content(), (string[])["0", "1", "2"]);
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void Removing_leaves_nothing_and_cleaning_takes_the_litter_of_the_dead()
    {
        AtomicFolder.Write(Model, Fill("old"));
        Place("other.lmkit-filling", "litter");
        Place("third.lmkit-previous", "third");
        AtomicFolder.Remove(Model);
        AtomicFolder.CleanAll(folder.Path);
        Assert.Equal(["third"], folder.Names);
        Assert.Equal("third", Content("third"));
    }
}
