using System.Diagnostics;
using System.Globalization;

using LmKit.Conformance;

namespace LmKit.Composition.Tests;

/// <summary>Disposing what works ends the work by an exception that names it, never the process.</summary>
public sealed class DisposalDuringUseTests
{
    private const int Workers = 3;

    public static TheoryData<string> Kinds => [.. DisposedScene.All.Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Disposing_during_use_ends_the_work_and_not_the_process(string kind) => OwnProcess.Check(DisposeAtRandomMoments, kind, "5");

    [Theory]
    [MemberData(nameof(Kinds))]
    [Trait("Category", "Long")]
    public void Twenty_five_disposals_during_use_end_the_work_and_not_the_process(string kind) => OwnProcess.Check(DisposeAtRandomMoments, kind, "25");

    private static void DisposeAtRandomMoments(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        TorchSharp.torch.set_num_threads(1);
        var random = new Random(1);
        var clock = Stopwatch.StartNew();
        var pieces = 0;
        for (var disposal = 0; disposal < int.Parse(arguments[1], CultureInfo.InvariantCulture); disposal++)
        {
            var scene = DisposedScene.All[arguments[0]]();
            var ends = new Exception?[scene.IsForOneThread ? 1 : Workers];
            using var began = new CountdownEvent(ends.Length);
            Thread[] threads = [.. ends.Index().Select(entry => new Thread(() => ends[entry.Index] = Work(scene, began, ref pieces)))];
            Array.ForEach(threads, thread => thread.Start());
            began.Wait();
            Thread.Sleep(TimeSpan.FromMilliseconds(random.NextDouble() * 60));
            foreach (var one in scene.Disposed)
                one.Dispose();
            Array.ForEach(threads, thread => thread.Join());
            Assert.All(ends, end => Assert.Contains(Assert.IsType<ObjectDisposedException>(end).ObjectName, scene.Names));
        }
        Console.WriteLine($"{arguments[0]}: {arguments[1]} disposals, {pieces} pieces of work done, {clock.Elapsed.TotalSeconds:F1} s");
    }

    private static Exception Work(DisposedScene scene, CountdownEvent began, ref int pieces)
    {
        _ = began.Signal();
        try
        {
            while (true)
            {
                scene.Work();
                _ = Interlocked.Increment(ref pieces);
            }
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return error;
        }
    }
}
