namespace LmKit.Core.Tests;

public class WorkerPoolTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Every_piece_runs_once(int count)
    {
        var runs = new int[count];
        for (var round = 0; round < 20; round++)
            WorkerPool.Shared.Run(count, index => Interlocked.Increment(ref runs[index]), maxThreads: 3);

        Assert.All(runs, times => Assert.Equal(20, times));
    }

    [Fact]
    public void An_exception_of_a_piece_reaches_the_caller_and_the_pool_goes_on()
    {
        var error = Assert.Throws<InvalidOperationException>(() => WorkerPool.Shared.Run(
            50,
            index =>
            {
                if (index == 13)
                    throw new InvalidOperationException("thirteen");
            },
            maxThreads: 2));
        Assert.Equal("thirteen", error.Message);
        Every_piece_runs_once(9);
    }

    [Fact]
    public void Nested_and_simultaneous_calls_run_on_their_callers_threads()
    {
        var total = 0;
        _ = Parallel.For(0, 4, _ => WorkerPool.Shared.Run(
            10,
            _ => WorkerPool.Shared.Run(5, _ => Interlocked.Increment(ref total), maxThreads: 2),
            maxThreads: 2));

        Assert.Equal(4 * 10 * 5, total);
    }

    [Fact]
    public void Other_threads_help_where_pieces_take_long()
    {
        var threads = new HashSet<int>();
        for (var round = 0; round < 50 && threads.Count < 2; round++)
        {
            WorkerPool.Shared.Run(
                4,
                _ =>
                {
                    Thread.Sleep(20);
                    lock (threads)
                        threads.Add(Environment.CurrentManagedThreadId);
                },
                maxThreads: 2);
        }

        Assert.True(threads.Count >= 2);
    }
}
