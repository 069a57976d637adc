using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

public sealed class WorkerPoolTests : IDisposable
{
    private readonly int before = get_num_threads();

    public WorkerPoolTests() => set_num_threads(3);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1000)]
    public void Every_piece_runs_once(int count)
    {
        for (var repeat = 0; repeat < 50; repeat++)
        {
            var runs = new int[count];
            WorkerPool.Run(count, index => Interlocked.Increment(ref runs[index]));

            Assert.All(runs, times => Assert.Equal(1, times));
        }
    }

    [Fact]
    public void More_than_one_thread_works()
    {
        var threads = new HashSet<int>();
        using var both = new Barrier(2);
        WorkerPool.Run(2, _ =>
        {
            Assert.True(both.SignalAndWait(TimeSpan.FromSeconds(30)), "The pieces run side by side.");
            lock (threads)
                threads.Add(Environment.CurrentManagedThreadId);
        });

        Assert.Equal(2, threads.Count);
    }

    [Fact]
    public void A_failing_piece_fails_the_call_and_leaves_the_pool_working()
    {
        for (var repeat = 0; repeat < 20; repeat++)
        {
            var error = Assert.Throws<InvalidDataException>(() => WorkerPool.Run(100, index =>
            {
                if (index == 7)
                    throw new InvalidDataException("piece 7");
            }));
            Assert.Equal("piece 7", error.Message);
        }
        Every_piece_runs_once(100);
    }

    [Fact]
    public void A_call_inside_a_piece_works_alone()
    {
        var sum = 0;
        WorkerPool.Run(8, _ => WorkerPool.Run(8, _ => Interlocked.Increment(ref sum)));

        Assert.Equal(64, sum);
    }

    [Fact]
    public async Task Calls_from_several_threads_do_not_mix()
    {
        var sums = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            var sum = 0L;
            for (var repeat = 0; repeat < 200; repeat++)
                WorkerPool.Run(10, index => Interlocked.Add(ref sum, index));
            return sum;
        })));

        Assert.All(sums, sum => Assert.Equal(200 * 45, sum));
    }

    public void Dispose() => set_num_threads(before);
}
