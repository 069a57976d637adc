namespace LmKit;

/// <summary>Percentile intervals from resamples.</summary>
/// <param name="Low">The lower percentile.</param>
/// <param name="Middle">The median of the resamples.</param>
/// <param name="High">The upper percentile.</param>
public sealed record BootstrapInterval(double Low, double Middle, double High)
{
    /// <summary>The interval that holds a share of resampled values.</summary>
    /// <param name="values">Statistics of the resamples.</param>
    /// <param name="level">The share, 0.95 by default.</param>
    public static BootstrapInterval Of(IEnumerable<double> values, double level = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (level is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(level), level, "A level lies between 0 and 1.");
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0)
            throw new ArgumentException("An interval needs at least one resample.", nameof(values));
        return new BootstrapInterval(Percentile(sorted, (1 - level) / 2), Percentile(sorted, 0.5), Percentile(sorted, (1 + level) / 2));
    }

    /// <summary>Means of resampled scores.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="resamples">For each resample the indices drawn.</param>
    public static IReadOnlyList<double> Flat(IReadOnlyList<double> scores, IEnumerable<IReadOnlyList<int>> resamples)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(resamples);
        return [.. resamples.Select(drawn => drawn.Average(index => scores[index]))];
    }

    /// <summary>Means of scores with whole questions resampled, all scores of a question together: the votes of one question are not independent.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="questions">Each score's question.</param>
    /// <param name="resamples">For each resample the questions drawn.</param>
    public static IReadOnlyList<double> ByQuestion(IReadOnlyList<double> scores, IReadOnlyList<int> questions, IEnumerable<IReadOnlyList<int>> resamples)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(questions);
        ArgumentNullException.ThrowIfNull(resamples);
        var groups = scores.Zip(questions).ToLookup(pair => pair.Second, pair => pair.First);
        return [.. resamples.Select(drawn => drawn.SelectMany(question => groups[question]).Average())];
    }

    /// <summary>Indices drawn with replacement, the same for a seed everywhere.</summary>
    /// <param name="count">How many there are to draw from.</param>
    /// <param name="resampleCount">How many resamples R.</param>
    /// <param name="seed">The seed.</param>
    public static IEnumerable<IReadOnlyList<int>> Resamples(int count, int resampleCount = 1000, ulong seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        return Draw();

        IEnumerable<IReadOnlyList<int>> Draw()
        {
            var random = new SplitMix(seed);
            for (var resample = 0; resample < resampleCount; resample++)
                yield return [.. Enumerable.Range(0, count).Select(_ => (int)random.Below((ulong)count))];
        }
    }

    private static double Percentile(double[] sorted, double share)
    {
        var place = (sorted.Length - 1) * share;
        var low = (int)Math.Floor(place);
        var high = Math.Min(low + 1, sorted.Length - 1);
        return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
    }
}
