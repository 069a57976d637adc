using TorchSharp;

namespace LmKit.Core.Tests;

public sealed class WindowOrderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Ids that tell their own places, as long as there are fewer than 256.</summary>
    private TokenDataset Counting(int count)
    {
        var tokenizer = new ModelTokenizer(new ByteTokenizer(), 256);
        return TokenDataset.Create([new("x", new string([.. Enumerable.Range(0, count).Select(i => (char)i)]))], tokenizer, folder[$"{count}.bin"]);
    }

    private static long[] Next(RandomWindows windows)
    {
        using var batch = windows.Next();
        return batch.data<long>().ToArray();
    }

    [Fact]
    public void An_epoch_takes_each_of_its_windows_once_and_epochs_differ()
    {
        using var data = Counting(103);
        var windows = new RandomWindows(data, 10, 1, seed: 1);
        var orders = Enumerable.Range(0, 20)
            .Select(_ => Enumerable.Range(0, (int)windows.WindowsPerEpoch).Select(_ => Next(windows)).ToArray())
            .ToArray();
        foreach (var epoch in orders)
        {
            Assert.All(epoch, window => Assert.Equal(Enumerable.Range(0, 10).Select(i => window[0] + i), window));
            var starts = epoch.Select(window => window[0]).Order().ToArray();
            Assert.Equal(Enumerable.Range(0, starts.Length).Select(i => starts[0] + (10L * i)), starts);
        }
        Assert.True(orders.Select(epoch => string.Join(",", epoch.Select(window => window[0]))).Distinct().Count() > 15);
        Assert.True(orders.Select(epoch => epoch.Min(window => window[0])).Distinct().Count() > 4);
        Assert.Equal((19L, windows.WindowsPerEpoch), (windows.Epoch, windows.Index));
    }

    [Fact]
    public void Seeking_to_a_place_goes_on_identically()
    {
        using var data = Counting(100);
        var first = new RandomWindows(data, 9, 4, seed: 7);
        for (var batch = 0; batch < 12; batch++)
        {
            var (epoch, index) = (first.Epoch, first.Index);
            var expected = Next(first);
            var second = new RandomWindows(data, 9, 4, seed: 7);
            second.Seek(epoch, index);
            Assert.Equal(expected, Next(second));
            Assert.Equal((first.Epoch, first.Index), (second.Epoch, second.Index));
        }
        Assert.NotEqual(Next(new RandomWindows(data, 9, 10, seed: 7)), Next(new RandomWindows(data, 9, 10, seed: 8)));
    }

    [Fact]
    public void Data_of_exactly_one_window_works_and_shorter_data_is_refused()
    {
        using var data = Counting(8);
        var windows = new RandomWindows(data, 8, 3, seed: 1);
        using var batch = windows.Next();
        Assert.Equal([3L, 8], batch.shape);
        Assert.Equal(torch.ScalarType.Int64, batch.dtype);
        Assert.Contains("8 tokens, fewer than one window of 9", Assert.Throws<ArgumentException>(() => new RandomWindows(data, 9, 1, 1)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 2, 1)]
    [InlineData(50, 8, 3)]
    [InlineData(50, 2, 7)]
    [InlineData(50, 50, 2)]
    [InlineData(50, 60, 2)]
    [InlineData(57, 8, 8)]
    public void Evaluation_predicts_every_token_but_the_first_once_in_order(int count, int length, int batchSize)
    {
        using var data = Counting(count);
        var targets = new List<long>();
        foreach (var batch in EvaluationWindows.Read(data, length, batchSize))
        {
            using (batch)
            {
                Assert.InRange(batch.shape[0], 1, batchSize);
                Assert.InRange(batch.shape[1], 2, length);
                var ids = batch.data<long>().ToArray();
                targets.AddRange(ids.Where((_, i) => i % batch.shape[1] != 0));
            }
        }
        Assert.Equal(Enumerable.Range(1, count - 1).Select(i => (long)i), targets);
    }

    [Fact]
    public void Evaluating_one_token_is_refused()
    {
        using var data = Counting(1);
        Assert.Contains("at least two", Assert.Throws<ArgumentException>(() => EvaluationWindows.Read(data, 4, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_offset_that_leaves_room_begins_an_epoch()
    {
        using var data = Counting(103);
        var windows = new RandomWindows(data, 4, 1, seed: 3);
        var first = Enumerable.Range(0, 80).Select(_ => Enumerable.Range(0, (int)windows.WindowsPerEpoch).Min(_ => Next(windows)[0])).ToHashSet();
        Assert.Equal([0, 1, 2, 3], first.Order());
        Assert.Equal(25, windows.WindowsPerEpoch); // of the 100 that offset 3 leaves
    }

    [Fact]
    public void A_place_that_no_epoch_has_is_refused_and_any_epoch_is_none()
    {
        using var data = Counting(100);
        var windows = new RandomWindows(data, 10, 1, seed: 3);
        using var scope = torch.NewDisposeScope();
        windows.Seek(torch.tensor(new[] { 500, windows.WindowsPerEpoch }));
        Assert.Equal((500L, windows.WindowsPerEpoch), (windows.Epoch, windows.Index));
        foreach (var place in new[] { [0, windows.WindowsPerEpoch + 1], [-1, 0], [0, -1], [0], new long[] { 0, 0, 0 } })
            Assert.Throws<CheckpointMismatchException>(() => windows.Seek(torch.tensor(place)));
        Assert.Equal((500L, windows.WindowsPerEpoch), (windows.Epoch, windows.Index));
    }
}
