namespace LmKit;

/// <summary>How often the bound asks about a window of L tokens of which m are masked, with time integrated out.</summary>
/// <remarks>
/// <para>At time t a window has m masked with probability Bin(m; L, q(t)), any m of them alike, so the bound per token is
/// sum_m c(m) / L times the mean loss of a masked token where m are masked, c(m) = m E_t[weight(t) Bin(m; L, q(t))]. In continuous time weight dt =
/// dq / q, whatever the schedule, and over all shares q from 0 to 1 every c(m) is 1: each m is as likely as any other. Times below
/// <see cref="TimeSamplingOptions.MinTime"/>, which training leaves out, count here.</para>
/// <para>In discrete time c(m) is summed over the T steps, or over 4096 of them evenly spaced where there are more.</para>
/// </remarks>
internal sealed class MaskedCounts
{
    private readonly double[] cumulative; // of c(m), m from 1
    private readonly (double Share, double Weight, double Level)[] steps; // of discrete time; none in continuous
    private readonly double[] logChoose;

    internal MaskedCounts(long length, (double Share, double Weight, double Level)[] steps)
    {
        this.steps = steps;
        logChoose = LogChoose(length);
        cumulative = new double[length];
        var sum = 0.0;
        for (var masked = 1; masked <= length; masked++)
            cumulative[masked - 1] = sum += steps.Length == 0 ? 1 : masked * steps.Average(step => Likelihood(step, masked));
        Factor = sum / length;
    }

    /// <summary>sum_m c(m) / L: what the mean loss of a masked token, with m drawn by <see cref="At"/>, is multiplied with.</summary>
    internal double Factor { get; }

    /// <summary>The number of masked tokens at a share in [0, 1) of the whole c.</summary>
    internal int At(double share)
    {
        var place = Array.BinarySearch(cumulative, share * cumulative[^1]);
        return Math.Min(place < 0 ? ~place : place + 1, cumulative.Length - 1) + 1;
    }

    /// <summary>In discrete time, the level of a step drawn by a uniform number as likely as the steps are where so many tokens are masked.</summary>
    internal double LevelOf(int masked, double uniform)
    {
        var weights = steps.Select(step => Likelihood(step, masked)).ToArray();
        var left = uniform * weights.Sum();
        var index = 0;
        while (index < weights.Length - 1 && left >= weights[index])
            left -= weights[index++];
        return steps[index].Level;
    }

    private double Likelihood((double Share, double Weight, double Level) step, int masked)
    {
        var rest = cumulative.Length - masked;
        return step.Weight * Math.Exp(logChoose[masked] + masked * Math.Log(step.Share) + (rest == 0 ? 0 : rest * double.LogP1(-step.Share)));
    }

    private static double[] LogChoose(long length)
    {
        var logs = new double[length + 1];
        for (var m = 1; m <= length; m++)
            logs[m] = logs[m - 1] + Math.Log((double)(length - m + 1) / m);
        return logs;
    }
}
