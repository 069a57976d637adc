namespace LmKit.Experiments;

/// <summary>A diagnosis as tables and curves of a page.</summary>
internal static class DiagnosisTables
{
    /// <summary>What each factor costs.</summary>
    internal static ResultTable Factors(LengthDiagnosisResult diagnosis) => new(
        "What fails, by the diagnosis",
        ["factor", "fails", "costs, nats a token", "figures"],
        [.. diagnosis.Factors.Select(factor => (string[])[$"{factor.Factor}", factor.Fails ? "yes" : "no", factor.Cost.Brief(), factor.Sentence])]);

    /// <summary>What attention did in range and at the greatest lengths.</summary>
    internal static ResultTable Attention(LengthDiagnosisResult diagnosis) => new(
        FormattableString.Invariant($"Attention at {diagnosis.InRange.Name} and {diagnosis.Last.Name}: largest logit over heads, queries and keys; means of the rest"),
        ["policy", "layer", "positions", "largest logit", "entropy, nats", "entropy over ln n - 2 B, least", "mass on the starting tokens", "keys"],
        [.. diagnosis.Readings.SelectMany(reading => reading.Attention.Where(one => one.From == diagnosis.InRange.From || one.From == diagnosis.Last.From).Select(one => Row(reading.Policy, one)))]);

    /// <summary>Losses over the middles of the buckets, as powers of two.</summary>
    internal static ResultPlot Plot(string title, IReadOnlyList<(string Name, LengthLosses Losses)> rows) => new(
        title,
        "position, log2",
        "nats a token",
        [.. rows.Select(row => (row.Name, row.Losses.Buckets.Select(bucket => Math.Log2((bucket.From + (bucket.To ?? row.Losses.Longest)) / 2.0)).ToArray(), row.Losses.Buckets.Select(bucket => bucket.Loss.Value).ToArray()))]);

    private static string[] Row(LengthPolicy policy, AttentionFigures one) =>
        [$"{policy}", $"{one.Layer}", one.Name, Text(one.LargestLogit), Text(one.MeanEntropy), Text(one.LeastSlack), Text(one.StartMass), Text(one.KeyCount)];

    private static string Text(double value) => Finding.Text(value);
}
