using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One masking of one window: a random order of its tokens, cut into K sets of different sizes.</summary>
/// <remarks>Any set of m tokens that follow each other in a random order is as likely as any other, and the m-th smallest of L uniform numbers, which
/// made the order, is as the share q is distributed where m of L are masked: Beta(m, L - m + 1).</remarks>
internal sealed class WindowMasking
{
    private readonly int[] order;
    private readonly int[] starts;
    private readonly int[] sizes;
    private readonly double[] levels;

    internal WindowMasking(int length, int timeCount, MaskedCounts counts, TimeSampling times, Generator random)
    {
        using var drawn = rand(length + 1 + timeCount, ScalarType.Float64, generator: random);
        var numbers = drawn.data<double>().ToArray();
        var (keys, shift, other) = (numbers[..length], numbers[length], numbers[(length + 1)..]);
        order = [.. Enumerable.Range(0, length)];
        Array.Sort(keys, order);
        (starts, sizes, levels) = (new int[timeCount], new int[timeCount], new double[timeCount]);
        var next = 0;
        for (var time = 0; time < timeCount; time++)
        {
            sizes[time] = counts.At((time + shift) / timeCount);
            starts[time] = next;
            next = (next + sizes[time]) % length;
            levels[time] = times.LevelAt(keys[sizes[time] - 1], counts, sizes[time], other[time]);
        }
    }

    /// <summary>The places that are masked at a time.</summary>
    internal IEnumerable<int> Places(int time) => Enumerable.Range(starts[time], sizes[time]).Select(place => order[place % order.Length]);

    /// <summary>What a network with time conditioning is told.</summary>
    internal double Level(int time) => levels[time];
}
