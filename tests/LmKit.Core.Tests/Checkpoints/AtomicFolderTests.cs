namespace LmKit.Core.Tests;

public sealed class AtomicFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Model => folder["model"];

    public void Dispose() => folder.Dispose();

    private static Action<string> Fill(string text) => path => File.WriteAllText(Path.Combine(path, "a.txt"), text);

    private string Content() => File.ReadAllText(Path.Combine(Model, "a.txt"));

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

    [Fact]
    public void A_kill_while_filling_keeps_the_old_folder()
    {
        AtomicFolder.Write(Model, Fill("old"));
        _ = Directory.CreateDirectory(folder["model.filling-abc"]);
        AtomicFolder.Recover(Model);
        Assert.Equal("old", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_kill_before_the_swap_keeps_the_old_folder()
    {
        AtomicFolder.Write(Model, Fill("old"));
        AtomicFolder.Write(folder["model.next"], Fill("new"));
        AtomicFolder.Recover(Model);
        Assert.Equal("old", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_kill_between_the_two_renames_is_finished()
    {
        AtomicFolder.Write(folder["model.previous"], Fill("old"));
        AtomicFolder.Write(folder["model.next"], Fill("new"));
        AtomicFolder.Recover(Model);
        Assert.Equal("new", Content());
        Assert.Equal(["model"], folder.Names);
    }

    [Fact]
    public void A_kill_after_the_swap_only_removes_the_previous_folder()
    {
        AtomicFolder.Write(Model, Fill("new"));
        AtomicFolder.Write(folder["model.previous"], Fill("old"));
        AtomicFolder.Recover(Model + Path.DirectorySeparatorChar);
        Assert.Equal("new", Content());
        Assert.Equal(["model"], folder.Names);
    }
}
