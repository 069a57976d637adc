namespace LmKit.SparseAutoencoderTour;

/// <summary>When R4 counts as reproduced.</summary>
public static class IoiVerdict
{
    internal const string SupervisedMean = "supervised, means";
    internal const string Supervised = "supervised, least squares";
    internal const string TopK = "TopK 3";
    internal const string TopAfa = "top-AFA + L1 + bias";
    internal const string Relu = "ReLU, lambda 1";

    /// <summary>The windows.</summary>
    /// <param name="accuracy">The model's accuracy.</param>
    /// <param name="rows">The bench's rows.</param>
    public static IEnumerable<Window> Windows(double accuracy, IReadOnlyList<BenchRow> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        BenchRow Row(string section, string attribute, string name) => rows.First(row => row.Section == section && row.Attribute == attribute && row.Dictionary == name);
        double At(BenchRow row, int count) => row.Control.Count == 1 ? row.Control[0].Agreement : row.Control.First(result => result.FeatureCount == count).Agreement;
        yield return Window.AtLeast("the model's accuracy", accuracy, 0.99);
        foreach (var name in (string[])[SupervisedMean, Supervised])
        {
            var row = Row("END-out", "io", name);
            yield return Window.Near($"END-out, {name}: sufficiency", row.Approximation.Sufficiency.Sufficiency, 1, 0.05);
            yield return Window.AtLeast($"END-out, {name}: necessity", row.Approximation.Necessity.Necessity, 0.9);
            yield return Window.AtLeast($"END-out, {name}: edit of io", At(row, 1), 0.95);
            yield return Window.AtLeast($"S2-resid0, {name}: edit of s", At(Row("S2-resid0", "s", name), 1), 0.85);
            yield return Window.AtLeast($"END-resid1, {name}: edit of io", At(Row("END-resid1", "io", name), 1), 0.85);
        }
        var (topK, topAfa, relu) = (Row("END-out", "io", TopK), Row("END-out", "io", TopAfa), Row("END-out", "io", Relu));
        yield return Window.AtLeast("END-out, TopK 3: edit of io with at most 4 features", topK.Control.Where(result => result.FeatureCount <= 4).Max(result => result.Agreement), 0.95);
        yield return Window.Below("END-out, ReLU: edit of io with 8 features", At(relu, 8), 0.4);
        double[] order = [At(Row("END-out", "io", Supervised), 4), At(topK, 4), At(topAfa, 4), At(relu, 4)];
        yield return new(
            "END-out, edit of io with 4 features: supervised >= TopK > top-AFA > ReLU",
            string.Join(", ", order.Select(value => FormattableString.Invariant($"{value:F3}"))),
            order[0] >= order[1] && order[1] > order[2] && order[2] > order[3]);
        yield return new(
            "END-resid1: necessity is flagged as ill-conditioned",
            Row("END-resid1", "io", Supervised).Approximation.Necessity.IsIllConditioned ? "flagged" : "not flagged",
            Row("END-resid1", "io", Supervised).Approximation.Necessity.IsIllConditioned);
        yield return new(
            "END-out, edit of s: the lack of resolution is flagged",
            Row("END-out", "s", Supervised).Control[0].HasResolution ? "not flagged" : "flagged",
            !Row("END-out", "s", Supervised).Control[0].HasResolution);
    }
}
