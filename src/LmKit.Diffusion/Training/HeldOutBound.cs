using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The negative evidence lower bound on held-out windows, in nats per token, with its error.</summary>
/// <remarks>
/// <para>Instead of a time and then a number of masked tokens, it draws the number alone, with time integrated out (<see cref="MaskedCounts"/>): the same
/// bound, without the noise of 1 / t at small times. A masking is a random order of a window; it serves all K numbers, of which one lies in each
/// of K equally likely parts and each takes the tokens that follow the ones before it, round and round, so that every token is asked about
/// alike. A network with time conditioning is told a level drawn from those at which so many tokens are masked.</para>
/// <para>The result does not depend on how windows are batched. <see cref="Estimate.DrawError"/> comes from the differences between a
/// window's maskings, <see cref="Estimate.StandardError"/> from those between windows and holds both.</para>
/// </remarks>
public static class HeldOutBound
{
    /// <summary>Measures the bound.</summary>
    /// <param name="denoiser">The denoiser, in evaluation mode.</param>
    /// <param name="windows">Batches of clean windows (B, L) int64, which are disposed here.</param>
    /// <param name="times">The bound that is meant (its weighting, and discrete steps if it has some); null for continuous time.</param>
    /// <param name="options">How often to ask.</param>
    /// <param name="device">Where the network lies; null for where the windows do.</param>
    /// <exception cref="ArgumentException">There is no token, one is the mask id or outside the vocabulary, or the network was made for another scale
    /// of noise.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public static Estimate Measure(IDenoiser denoiser, IEnumerable<Tensor> windows, TimeSampling? times = null, HeldOutBoundOptions? options = null, Device? device = null)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(windows);
        options ??= new HeldOutBoundOptions();
        OptionsJson.Validate(options, "$.held_out");
        times ??= new TimeSampling(new LogLinearSchedule());
        NegativeElbo.CheckScale(denoiser, times.Scale);
        using var frozen = no_grad();
        using var random = new Generator(options.Seed);
        var (results, lengths) = (new List<double[]>(), new List<long>());
        MaskedCounts? counts = null;
        long countedLength = -1;
        foreach (var batch in windows)
        {
            using var scope = NewDisposeScope();
            using var owned = batch;
            MaskingProcess.CheckClean(batch, denoiser.VocabSize, denoiser.MaskId);
            var (rows, length) = (batch.size(0), batch.size(1));
            if (rows == 0 || length == 0)
                continue;
            if (length != countedLength)
                (counts, countedLength) = (times.Counts(length), length);
            var clean = device is null ? batch : batch.to(device);
            var asked = Enumerable.Range(0, (int)rows).Select(_ => Enumerable.Range(0, options.MaskingCount).Select(_ => new WindowMasking((int)length, options.TimeCount, counts!, times, random)).ToArray()).ToArray();
            var values = asked.Select(_ => new double[options.MaskingCount]).ToArray();
            for (var masking = 0; masking < options.MaskingCount; masking++)
            {
                for (var time = 0; time < options.TimeCount; time++)
                    Ask(denoiser, clean, [.. asked.Select(window => window[masking])], time, (row, mean) => values[row][masking] += counts!.Factor * mean / options.TimeCount);
            }
            results.AddRange(values);
            lengths.AddRange(Enumerable.Repeat(length, (int)rows));
        }
        if (results.Count == 0)
            throw new ArgumentException("The held-out windows hold no token to measure the bound on.", nameof(windows));
        var means = results.Select(values => values.Average()).ToArray();
        var estimate = Estimate.OfUnits(
            [.. means.Zip(lengths, (mean, length) => mean * length)],
            lengths,
            "windows",
            $"{options.TimeCount} times and {options.MaskingCount} maskings a window, seed {options.Seed}");
        return estimate with { DrawError = DrawError(results, means, lengths) };
    }

    // Asks about the masked tokens of every window once, and tells the mean loss of each.
    private static void Ask(IDenoiser denoiser, Tensor clean, WindowMasking[] windows, int time, Action<int, double> tell)
    {
        using var scope = NewDisposeScope();
        var length = clean.size(1);
        var places = windows.Select((window, row) => window.Places(time).Select(place => row * length + place).Order().ToArray()).ToArray();
        var index = tensor([.. places.SelectMany(row => row)], device: clean.device); // (R), row after row
        var corrupted = clean.reshape(-1).index_fill(0, index, denoiser.MaskId).view(clean.shape);
        var level = tensor([.. windows.Select(window => window.Level(time))], device: clean.device);
        var picked = NegativeElbo.Picked(denoiser, clean, corrupted, level, index).to(ScalarType.Float64).cpu().data<double>().ToArray();
        var start = 0;
        foreach (var (row, masked) in places.Index())
        {
            tell(row, -picked.AsSpan(start, masked.Length).ToArray().Average());
            start += masked.Length;
        }
    }

    // Maskings of a window are independent: their differences tell the error of their mean.
    private static double DrawError(List<double[]> results, double[] means, List<long> lengths)
    {
        var count = results[0].Length;
        if (count == 1)
            return double.NaN;
        var variance = results.Select((values, window) => Math.Pow(lengths[window], 2) * values.Sum(value => Math.Pow(value - means[window], 2)) / (count - 1) / count).Sum();
        return Math.Sqrt(variance) / lengths.Sum();
    }
}

/// <summary>Options of measuring the bound on held-out windows.</summary>
public sealed class HeldOutBoundOptions
{
    /// <summary>Times K of a masking: one in each of K equally likely parts of what a window may have masked. Default 8.</summary>
    [Range(1, 4096)]
    public int TimeCount { get; set; } = 8;

    /// <summary>Independent maskings R of a window; from two on the error of the draws is known. A window costs K R calls of the network. Default 2.</summary>
    [Range(1, 4096)]
    public int MaskingCount { get; set; } = 2;

    /// <summary>Seed of the draws, which is the measurement's own: whatever a model was trained with, it is asked the same. Default 1.</summary>
    public ulong Seed { get; set; } = 1;
}

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
