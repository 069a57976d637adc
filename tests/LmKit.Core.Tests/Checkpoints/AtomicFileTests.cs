namespace LmKit.Core.Tests;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_link_stays_a_link_and_the_file_behind_it_is_replaced()
    {
        File.WriteAllText(folder["real"], "old");
        File.CreateSymbolicLink(folder["link"], folder["real"]);
        AtomicFile.WriteText(folder["link"], "new");
        Assert.Equal(folder["real"], new FileInfo(folder["link"]).LinkTarget);
        Assert.Equal("new", File.ReadAllText(folder["real"]));
        Assert.Equal(["link", "real"], folder.Names);
    }

    [Fact]
    public void The_new_file_has_the_old_ones_permissions()
    {
        if (OperatingSystem.IsWindows())
            return;
        File.WriteAllText(folder["a"], "old");
        File.SetUnixFileMode(folder["a"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        AtomicFile.WriteText(folder["a"], "new");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder["a"]));
    }

    [Theory]
    [InlineData("a.tmp-notes")]
    [InlineData("a.lmkit-tmp-notes")]
    [InlineData("a.lmkit-tmp-MyOwnNot.txt")]
    public void Files_of_the_user_with_similar_names_stay(string name)
    {
        File.WriteAllText(folder[name], "mine");
        File.WriteAllText(folder["a.lmkit-tmp-x1y2z3a4.b5c"], "litter of a dead writer");
        AtomicFile.WriteText(folder["a"], "new");
        Assert.Equal(new[] { "a", name }.Order(), folder.Names);
    }
}
