using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Seconds of one call: on the clock, and of processor time over all threads of the process.</summary>
internal readonly record struct CallTime(double Wall, double Cpu)
{
    /// <summary>The mean over a block of calls, each in a dispose scope of its own as a module's call would be.</summary>
    internal static CallTime Measure(Func<Tensor[]> side, int calls)
    {
        var cpu = Environment.CpuUsage.TotalTime;
        var start = Stopwatch.GetTimestamp();
        for (var call = 0; call < calls; call++)
        {
            using var scope = NewDisposeScope();
            side();
        }

        var wall = Stopwatch.GetElapsedTime(start);
        return new CallTime(wall.TotalSeconds / calls, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / calls);
    }

    internal static CallTime MedianOf(IReadOnlyCollection<CallTime> times) =>
        new(Median.Of(times.Select(time => time.Wall)), Median.Of(times.Select(time => time.Cpu)));
}
