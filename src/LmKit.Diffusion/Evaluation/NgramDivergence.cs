using static TorchSharp.torch;

namespace LmKit;

/// <summary>Jensen-Shannon divergence in nats between n-gram distributions: what perplexity cannot see, since it rewards sharpness.</summary>
public static class NgramDivergence
{
    /// <summary>Shares of the n-grams of samples (B, L), every place counted.</summary>
    public static IReadOnlyDictionary<string, double> Shares(Tensor tokens, int n)
    {
        new TensorCheck(nameof(NgramDivergence)).Integers(tokens, nameof(tokens), "B L");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(n);
        if (tokens.dim() != 2 || tokens.size(0) == 0 || tokens.size(1) < n)
            throw new ArgumentException($"Samples are (B, L), at least one of at least {n} tokens; got ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        var counts = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var row in HostValues.Read(tokens).Chunk((int)tokens.size(1)))
        {
            for (var start = 0; start + n <= row.Length; start++)
            {
                var key = Key(row.AsSpan(start, n));
                counts[key] = counts.GetValueOrDefault(key) + 1;
            }
        }
        var total = counts.Values.Sum();
        return counts.ToDictionary(pair => pair.Key, pair => pair.Value / total);
    }

    /// <summary>The key of an n-gram in such a distribution.</summary>
    public static string Key(ReadOnlySpan<long> tokens) => string.Join(' ', tokens.ToArray());

    /// <summary>The divergence of two distributions, between 0 and ln 2.</summary>
    public static double Between(IReadOnlyDictionary<string, double> first, IReadOnlyDictionary<string, double> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        return first.Keys.Union(second.Keys).Sum(key =>
        {
            var (p, q) = (first.GetValueOrDefault(key), second.GetValueOrDefault(key));
            return (Term(p, (p + q) / 2) + Term(q, (p + q) / 2)) / 2;
        });

        static double Term(double share, double middle) => share > 0 ? share * Math.Log(share / middle) : 0;
    }

    /// <summary>The divergence of samples from a reference text.</summary>
    public static double Between(Tensor samples, Tensor reference, int n = 3) => Between(Shares(samples, n), Shares(reference, n));

    /// <summary>The divergence of samples (B, L) from a reference distribution, with its standard error over samples.</summary>
    /// <remarks>To first order a sample moves it by the mean over its n-grams of ln(p / m) / 2, p their share in all samples and m the mean of p and the
    /// reference's (derivative of the divergence by p).</remarks>
    /// <param name="samples">The samples.</param>
    /// <param name="reference">Shares of n-grams.</param>
    /// <param name="n">Tokens of an n-gram.</param>
    public static Estimate Measure(Tensor samples, IReadOnlyDictionary<string, double> reference, int n = 3)
    {
        ArgumentNullException.ThrowIfNull(reference);
        var shares = Shares(samples, n);
        var moves = HostValues.Read(samples).Chunk((int)samples.size(1)).Select(row => Enumerable.Range(0, row.Length - n + 1).Average(start => Move(Key(row.AsSpan(start, n))))).ToArray();
        return Estimate.OfValues(moves, "samples", $"{n}-grams at every place") with { Value = Between(shares, reference), TokenCount = samples.numel() };

        double Move(string key) => Math.Log(2 * shares[key] / (shares[key] + reference.GetValueOrDefault(key))) / 2;
    }

    /// <summary>The share of samples that are equal to an earlier one.</summary>
    public static double DuplicateRate(Tensor samples)
    {
        new TensorCheck(nameof(NgramDivergence)).Integers(samples, nameof(samples), "B L");
        if (samples.dim() != 2 || samples.numel() == 0)
            throw new ArgumentException($"Samples are (B, L) with at least one token; got ({string.Join(", ", samples.shape)}).", nameof(samples));
        var rows = HostValues.Read(samples).Chunk((int)samples.size(1)).Select(row => Key(row)).ToArray();
        return 1 - (double)rows.Distinct().Count() / rows.Length;
    }
}
