namespace LmKit.QuickStart.Tests;

public sealed class ReferenceProseTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_paragraph_found_in_several_files_is_kept_once()
    {
        _ = folder.Write("A.xml", Documentation("Same.", "Only A.", "Same."));
        _ = folder.Write("B.xml", Documentation("Same.", "Only B."));

        var split = ReferenceProse.Read(folder.Path);

        Assert.Equal(["Only A.", "Only B.", "Same."], (split.Training + split.Validation).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }

    [Fact]
    public void A_broken_file_is_named_with_the_remedy()
    {
        var path = folder.Write("Broken.xml", "<doc><members>");

        var refused = Assert.Throws<InvalidDataException>(() => ReferenceProse.Read(folder.Path));
        Assert.Contains(path, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--text", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_newest_pack_with_documentation_is_found()
    {
        foreach (var version in new[] { "9.0.20", "10.0.2", "10.0.12-rc.1", "10.0.12" })
            _ = folder.Write($"packs/Microsoft.NETCore.App.Ref/{version}/ref/net{version[..version.IndexOf('.', StringComparison.Ordinal)]}.0/A.xml", "<doc/>");

        Directory.CreateDirectory(Path.Combine(folder.Path, "packs/Microsoft.NETCore.App.Ref/11.0.0/ref/net11.0"));

        Assert.Equal(
            Path.Combine(folder.Path, "packs", "Microsoft.NETCore.App.Ref", "10.0.12", "ref", "net10.0"),
            ReferencePack.Find(["", Path.Combine(folder.Path, "missing"), folder.Path]));
    }

    [Fact]
    public void A_missing_pack_is_refused_naming_the_text_option() =>
        Assert.Contains("--text", Assert.Throws<DirectoryNotFoundException>(() => ReferencePack.Find([folder.Path])).Message, StringComparison.Ordinal);

    [Fact]
    public void The_pack_of_this_machine_gives_megabytes_of_prose_with_a_twelfth_held_out()
    {
        var split = ReferenceProse.Read();

        Assert.InRange(split.TrainingBytes + split.ValidationBytes, 5_000_000, 12_000_000);
        Assert.InRange(split.ValidationBytes / (double)(split.TrainingBytes + split.ValidationBytes), 1 / 16.0, 1 / 9.0);
        Assert.Empty(split.Validation.Split('\n', StringSplitOptions.RemoveEmptyEntries).Intersect(split.Training.Split('\n')));
    }

    private static string Documentation(params string[] summaries) =>
        $"<doc><members>{string.Concat(summaries.Select(summary => $"<member name=\"T:A\"><summary>{summary}</summary></member>"))}</members></doc>";
}
