namespace LmKit.Core.Tests;

/// <summary>Readers of a folder beside those who write it.</summary>
public sealed class AtomicFolderReadTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Model => folder["model"];

    public void Dispose() => folder.Dispose();

    private static Action<string> Fill(string text) => path => File.WriteAllText(Path.Combine(path, "a.txt"), text);

    [Fact]
    public void A_file_that_changes_for_its_own_reasons_does_not_keep_a_reader_from_its_files()
    {
        AtomicFolder.Write(Model, Fill("old"));
        var reads = 0;
        Assert.Equal("old", AtomicFolder.Read(Model, ["a.txt"], path =>
        {
            File.AppendAllText(Path.Combine(path, "log.txt"), $"{reads++}");
            return File.ReadAllText(Path.Combine(path, "a.txt"));
        }));
        Assert.Equal(1, reads);
    }

    [Fact]
    public void A_replacement_is_later_than_what_it_replaces_whatever_the_clock_says()
    {
        AtomicFolder.Write(Model, Fill("old"));
        var future = DateTime.UtcNow.AddYears(3);
        File.SetLastWriteTimeUtc(Path.Combine(Model, "a.txt"), future);
        AtomicFolder.Write(Model, Fill("new"));
        Assert.True(File.GetLastWriteTimeUtc(Path.Combine(Model, "a.txt")) > future);
    }

    [Fact]
    public void A_reader_whose_files_were_replaced_meanwhile_reads_again_and_lets_the_first_result_go()
    {
        AtomicFolder.Write(Model, Fill("old"));
        var results = new List<MemoryStream>();
        var last = AtomicFolder.Read(Model, path =>
        {
            results.Add(new MemoryStream(File.ReadAllBytes(Path.Combine(path, "a.txt"))));
            if (results.Count == 1)
                AtomicFolder.Write(Model, Fill("new"));
            return results[^1];
        });
        Assert.Equal(2, results.Count);
        Assert.False(results[0].CanRead);
        Assert.Equal("new"u8.ToArray(), last.ToArray());
    }

    [Fact]
    public async Task Two_writers_and_two_readers_see_whole_saves_only()
    {
        static Action<string> Pair(string text) => path => { Fill(text)(path); File.WriteAllText(Path.Combine(path, "b.txt"), text); };
        AtomicFolder.Write(Model, Pair("start"));
        var writers = Enumerable.Range(0, 2).Select(writer => Task.Run(() =>
        {
            for (var round = 0; round < 100; round++)
                AtomicFolder.Write(Model, Pair($"{writer}-{round}"));
        })).ToArray();
        var reads = 0;
        var readers = Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            do
            {
                var (a, b) = AtomicFolder.Read(Model, path => (File.ReadAllText(Path.Combine(path, "a.txt")), File.ReadAllText(Path.Combine(path, "b.txt"))));
                Assert.Equal(a, b);
                Interlocked.Increment(ref reads);
            }
            while (!writers.All(writer => writer.IsCompleted));
        })).ToArray();
        await Task.WhenAll([.. writers, .. readers]);
        Assert.True(reads > 0);
        Assert.Equal(["a.txt", "b.txt"], Directory.EnumerateFileSystemEntries(Model).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(["model"], folder.Names);
    }
}
