namespace LmKit.Core.Tests;

/// <summary>Runs on the thread pool, and data that arrives in its own time.</summary>
public sealed class RunOnPoolTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_run_waits_for_its_data_and_trains_off_the_callers_thread()
    {
        var arrival = new TaskCompletionSource();
        using var task = new ScriptedTask([]) { Arrival = arrival.Task };
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 3 });
        var arePooled = new List<bool>();
        var run = trainer.RunAsync(_ => arePooled.Add(Thread.CurrentThread.IsThreadPoolThread));
        Assert.False(run.IsCompleted);
        Assert.Equal(0, trainer.Step);
        arrival.SetResult();
        await run;
        Assert.Equal([true, true, true], arePooled);
        Assert.Equal(TrainingEnd.Steps, trainer.End);
    }

    [Fact]
    public async Task A_run_that_is_cancelled_while_it_waits_keeps_a_checkpoint()
    {
        using var task = new ScriptedTask([]);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 3, CheckpointFolder = folder.Path });
        _ = trainer.Advance();
        task.Arrival = new TaskCompletionSource().Task;
        using var stop = new CancellationTokenSource();
        var run = trainer.RunAsync(cancellation: stop.Token);
        await task.Asked.Task;
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
        Assert.Equal(1, trainer.Step);
        Assert.Equal(["step-00000001"], folder.Names);
        Assert.False(task.Model.training);
    }

    [Fact]
    public void A_run_whose_data_ends_ends_and_says_so()
    {
        using var task = new ScriptedTask([], dataSteps: 2);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 5 });
        trainer.Run();
        Assert.Equal((2, TrainingEnd.Data, "The data ended after step 2."), (trainer.Step, trainer.End, trainer.EndReason));
        Assert.Null(trainer.Advance());
    }

    [Fact]
    public void A_synchronous_run_stays_on_its_thread_even_when_data_is_late()
    {
        var arrival = new TaskCompletionSource();
        using var task = new ScriptedTask([]) { Arrival = arrival.Task };
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2 });
        var threads = new HashSet<int>();
        using var timer = new Timer(_ => arrival.TrySetResult(), null, 50, Timeout.Infinite);
        trainer.Run(_ => threads.Add(Environment.CurrentManagedThreadId));
        Assert.Equal([Environment.CurrentManagedThreadId], threads);
    }
}
