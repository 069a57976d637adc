namespace LmKit.LongContext.Tests;

/// <summary>Attention under an eviction mask, token by token and number by number.</summary>
internal static class PlainEviction
{
    /// <summary>Outputs [head][token] of one row, and the positions that each key head holds in the end.</summary>
    /// <param name="options">The mask's.</param>
    /// <param name="q">Queries [H][n][P], turned.</param>
    /// <param name="k">Keys [Hkv][n][P], turned.</param>
    /// <param name="v">Values [Hkv][n][P].</param>
    /// <param name="slopes">What is taken off the scores of each head for each step of distance.</param>
    internal static (double[][][] Outputs, List<int>[] Held) Attend(EvictionMaskOptions options, double[][][] q, double[][][] k, double[][][] v, double[] slopes)
    {
        var (heads, keyHeads, count) = (q.Length, k.Length, q[0].Length);
        var sharing = heads / keyHeads;
        var held = k.Select(_ => new List<int>()).ToArray();
        var outputs = q.Select(_ => new double[count][]).ToArray();
        for (var token = 0; token < count; token++)
        {
            foreach (var list in held)
                list.Add(token);
            var weights = new double[heads][];
            for (var head = 0; head < heads; head++)
            {
                var own = held[head / sharing];
                weights[head] = Softmax([.. own.Select(key => Dot(q[head][token], k[head / sharing][key]) / Math.Sqrt(q[head][token].Length) - slopes[head] * (token - key))]);
                outputs[head][token] = [.. v[head / sharing][0].Select((_, column) => own.Select((key, slot) => weights[head][slot] * v[head / sharing][key][column]).Sum())];
            }
            if ((token + 1) % options.BlockLength != 0 || held[0].Count <= options.Budget)
                continue;
            for (var head = 0; head < keyHeads; head++)
            {
                var own = held[head];
                var scores = own.Select((key, slot) => options.Policy switch
                {
                    EvictionPolicy.KeyNorm => -Math.Sqrt(Dot(k[head][key], k[head][key])),
                    EvictionPolicy.KeyDiff => -Likeness(k[head], own, key),
                    _ => weights.Average(row => row[slot]),
                }).ToList();
                var order = Enumerable.Range(0, own.Count).OrderByDescending(slot =>
                    own[slot] < options.StartLength || own[slot] > token - options.RecentLength ? double.PositiveInfinity : scores[slot]);
                held[head] = [.. order.Take(options.Budget).Select(slot => own[slot]).Order()];
            }
        }
        return (outputs, held);
    }

    private static double Likeness(double[][] keys, List<int> held, int key)
    {
        var mean = new double[keys[0].Length];
        foreach (var other in held)
        {
            for (var column = 0; column < mean.Length; column++)
                mean[column] += keys[other][column] / Math.Sqrt(Dot(keys[other], keys[other])) / held.Count;
        }
        return Dot(mean, keys[key]) / Math.Sqrt(Dot(mean, mean) * Dot(keys[key], keys[key]));
    }

    private static double[] Softmax(double[] scores)
    {
        var largest = scores.Max();
        var sum = scores.Sum(score => Math.Exp(score - largest));
        return [.. scores.Select(score => Math.Exp(score - largest) / sum)];
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
