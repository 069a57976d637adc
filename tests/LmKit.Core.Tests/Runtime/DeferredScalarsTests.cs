using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class DeferredScalarsTests
{
    private static bool IsServed => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64;

    [Fact]
    public void A_number_that_TorchSharp_frees_stays_for_a_while()
    {
        LibTorch.EnsureLoaded();
        if (!IsServed)
            return;
        for (var index = 0; index < 1000; index++)
            ((Scalar)0.5).Dispose();

        Assert.InRange(DeferredScalars.Count, 1000, int.MaxValue);
    }

    [Fact]
    public void Numbers_are_freed_after_the_delay()
    {
        LibTorch.EnsureLoaded();
        if (!IsServed)
            return;
        for (var index = 0; index < 1000; index++)
            ((Scalar)0.5).Dispose();
        var most = DeferredScalars.Count;
        Thread.Sleep(DeferredScalars.Delay + TimeSpan.FromMilliseconds(200));
        ((Scalar)0.5).Dispose();

        Assert.True(DeferredScalars.Count < most, $"{most} waited, and {DeferredScalars.Count} still do");
    }

    // A thread that collects all the time finalizes scalars under the calls of another: without the remedy results are of other numbers.
    [Fact]
    public void Operations_with_numbers_are_right_while_another_thread_collects()
    {
        using var stop = new CancellationTokenSource();
        var collectors = Enumerable.Range(0, 1).Select(_ => new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
                for (var index = 0; index < 8; index++)
                    GC.KeepAlive((Scalar)(-5.0)); // what is free is soon another number
            }
        })).ToList();
        collectors.ForEach(thread => thread.Start());
        try
        {
            // The whole numbers are converted first, and only then is the factor read.
            using var x = zeros(1 << 18);
            using var whole = ones(1 << 18, ScalarType.Int32);
            for (var round = 0; round < 2000; round++)
            {
                var factor = 1.0 + (round % 97);
                using var y = x.add(whole, factor);
                Assert.Equal((float)factor, y[0].ToSingle());
            }
        }
        finally
        {
            stop.Cancel();
            collectors.ForEach(thread => thread.Join());
        }
    }
}
