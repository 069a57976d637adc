using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>What a diagnosis found: loss by policy and position, what attention did, and which factor fails.</summary>
public sealed class LengthDiagnosisResult
{
    private readonly Dictionary<LengthPolicy, PolicyReading> byPolicy;
    private readonly double margin;

    internal LengthDiagnosisResult(long trainedLength, LambdaMaskOptions lambda, double margin, IReadOnlyList<long> edges, IReadOnlyList<PolicyReading> readings)
    {
        (TrainedLength, Edges, Readings, this.margin) = (trainedLength, edges, readings, margin);
        (LocalLength, GlobalLength, DistanceCeiling) = (lambda.LocalLength, lambda.GlobalLength, lambda.DistanceCeiling ?? lambda.LocalLength);
        byPolicy = readings.ToDictionary(reading => reading.Policy);
        var buckets = Losses(LengthPolicy.Vanilla).Buckets;
        (InRange, Last) = (buckets.Last(bucket => bucket.To <= trainedLength), buckets[^1]);
        Excess = Losses(LengthPolicy.Vanilla).Over(Losses(LengthPolicy.Lambda), Last.From);
        var error = Math.Sqrt(Squared(Last.Loss.StandardError) + Squared(InRange.Loss.StandardError));
        Fails = IsBeyond(Excess) || Last.Loss.Value - InRange.Loss.Value > margin + 2 * error;
        Factors = [Distances(), Count(), Starts()];
    }

    /// <summary>The trained length T.</summary>
    public long TrainedLength { get; }

    /// <summary>The window L of the policies that have one.</summary>
    public long LocalLength { get; }

    /// <summary>The starting tokens G of the policies that keep them.</summary>
    public long GlobalLength { get; }

    /// <summary>The ceiling D of the policies that have one.</summary>
    public long DistanceCeiling { get; }

    /// <summary>Where the buckets of positions begin, behind the first (<see cref="LengthReaderOptions.Edges"/>).</summary>
    public IReadOnlyList<long> Edges { get; }

    /// <summary>What was read, one for each policy.</summary>
    public IReadOnlyList<PolicyReading> Readings { get; }

    /// <summary>The model's own loss in the second half of its trained length.</summary>
    public LengthBucket InRange { get; }

    /// <summary>The model's own loss at the greatest lengths.</summary>
    public LengthBucket Last { get; }

    /// <summary>How much larger that is than under the Lambda mask.</summary>
    public Estimate Excess { get; }

    /// <summary>Whether the model as it is fails beyond its trained length: its loss at the greatest lengths is beyond that under the Lambda mask, or beyond that
    /// in range, by the margin and two standard errors.</summary>
    public bool Fails { get; }

    /// <summary>The three factors.</summary>
    public IReadOnlyList<FactorFinding> Factors { get; }

    /// <summary>The factor that costs most of those that fail; null where none does.</summary>
    public FactorFinding? Worst => Factors.Where(factor => factor.Fails).MaxBy(factor => factor.Cost.Value);

    /// <summary>Whether every row of attention that was read has the entropy that its number of keys and its scores demand.</summary>
    public bool KeepsEntropyLaw => Readings.All(reading => reading.Attention.All(figures => figures.KeepsEntropyLaw));

    /// <summary>What fails, in a sentence with the figures behind it.</summary>
    public string Verdict => Worst?.Sentence ?? Text($"Nothing fails: at {Last.Name} the model's loss is {Last.Loss.Value:F3} nats a token, {InRange.Loss.Value:F3} in range ({InRange.Name}) and {LossAt(LengthPolicy.Lambda):F3} under Lambda.");

    /// <summary>Loss by position under a policy.</summary>
    public LengthLosses Losses(LengthPolicy policy) => byPolicy[policy].Losses;

    /// <summary>The tables as a page for people.</summary>
    public string ToMarkdown()
    {
        var page = new StringBuilder().Append(CultureInfo.InvariantCulture, $"Trained length {TrainedLength}, L = {LocalLength}, G = {GlobalLength}, D = {DistanceCeiling}. {Verdict}\n\n");
        foreach (var factor in Factors)
            _ = page.Append("- ").Append(factor.Sentence).Append('\n');
        var buckets = Losses(LengthPolicy.Vanilla).Buckets;
        Head(["loss, nats a token", .. buckets.Select(bucket => bucket.Name)]);
        foreach (var reading in Readings)
            Row([$"{reading.Policy}", .. reading.Losses.Buckets.Select(bucket => bucket.Loss.Brief())]);
        if (Readings.All(reading => reading.Attention.Count == 0))
            return page.ToString();
        Head(["policy", "layer", "positions", "largest logit", "largest magnitude", "entropy", "entropy over its bound, least", "mass on starting tokens", "keys"]);
        foreach (var (policy, figures) in All())
            Row([$"{policy}", Text($"{figures.Layer}"), figures.Name, Text($"{figures.LargestLogit:G4}"), Text($"{figures.LargestMagnitude:G4}"), Text($"{figures.MeanEntropy:F3}"), Text($"{figures.LeastSlack:G3}"), Text($"{figures.StartMass:G3}"), Text($"{figures.KeyCount:F1}")]);
        return page.Append(CultureInfo.InvariantCulture, $"\nEntropy is {(KeepsEntropyLaw ? "" : "NOT ")}at least ln n - 2 B in every row.\n").ToString();

        void Head(IReadOnlyList<string> cells)
        {
            _ = page.Append('\n');
            Row(cells);
            _ = page.Append('|').Insert(page.Length, "---|", cells.Count).Append('\n');
        }

        void Row(IEnumerable<string> cells) => page.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
    }

    /// <summary>A line for each policy, layer and bucket; losses, which are of no layer, stand in all of them.</summary>
    public string ToCsv()
    {
        var lines = new StringBuilder("policy,layer,from,to,loss,loss_error,largest_logit,largest_magnitude,mean_entropy,least_slack,start_mass,keys\n");
        foreach (var reading in Readings)
        {
            foreach (var bucket in reading.Losses.Buckets)
            {
                var loss = Text($"{bucket.From},{bucket.To},{bucket.Loss.Value:R},{bucket.Loss.StandardError:R}");
                if (reading.Attention.Count == 0)
                    _ = lines.Append(CultureInfo.InvariantCulture, $"{reading.Policy},,{loss},,,,,,\n");
                foreach (var one in reading.Attention.Where(one => one.From == bucket.From))
                    _ = lines.Append(CultureInfo.InvariantCulture, $"{reading.Policy},{one.Layer},{loss},{one.LargestLogit:R},{one.LargestMagnitude:R},{one.MeanEntropy:R},{one.LeastSlack:R},{one.StartMass:R},{one.KeyCount:R}\n");
            }
        }
        return lines.ToString();
    }

    /// <summary>Loss by position as a picture (SVG), a curve for each policy.</summary>
    public string ToSvg() => LengthPlot.Draw($"Loss beyond a trained length of {TrainedLength}", "position (log)", "nats a token", [.. Readings.Select(reading => ($"{reading.Policy}", reading.Losses.Buckets.Select(bucket => (Middle(bucket), bucket.Loss.Value)).ToArray()))]);

    private double Middle(LengthBucket bucket) => Math.Sqrt((bucket.From + 1.0) * (bucket.To ?? Losses(LengthPolicy.Vanilla).Longest));

    private FactorFinding Distances()
    {
        var (last, better) = (Last.From, LengthPolicy.Lambda);
        var cost = Losses(LengthPolicy.MaskOnly).Over(Losses(better), last);
        var worse = LengthPolicy.MaskOnly;
        if (Losses(LengthPolicy.Vanilla).Over(Losses(LengthPolicy.CeilingOnly), last) is var other && other.Value > cost.Value)
            (cost, worse, better) = (other, LengthPolicy.Vanilla, LengthPolicy.CeilingOnly);
        var (before, after) = (Largest(LengthPolicy.Vanilla, InRange.From), Largest(worse, last));
        var evidence = after is null ? "" : Text($"; its largest logit is {after.LargestLogit:G4} (layer {after.Layer}), in range {before!.LargestLogit:G4}");
        return Finding(LengthFactor.UnseenDistances, "Unseen distances", cost, worse, better, Fails, evidence);
    }

    private FactorFinding Count()
    {
        const LengthPolicy Worse = LengthPolicy.CeilingOnly;
        var (before, after) = (Mean(LengthPolicy.Vanilla, InRange.From), Mean(Worse, Last.From));
        var evidence = after is null ? "" : Text($"; a query attends to {after.Value.Keys:F0} keys with an entropy of {after.Value.Entropy:F2} nats, in range to {before!.Value.Keys:F0} with {before.Value.Entropy:F2}");
        return Finding(LengthFactor.AttendedCount, "The number of attended tokens", Losses(Worse).Over(Losses(LengthPolicy.Lambda), Last.From), Worse, LengthPolicy.Lambda, Fails, evidence);
    }

    private FactorFinding Starts()
    {
        var before = Mean(LengthPolicy.Vanilla, InRange.From);
        var evidence = before is null ? "" : Text($"; in range the first {GlobalLength} tokens get {before.Value.Starts:P2} of the weight");
        return Finding(LengthFactor.MissingStarts, "Missing starting tokens", Losses(LengthPolicy.WindowOnly).Over(Losses(LengthPolicy.Lambda), Last.From), LengthPolicy.WindowOnly, LengthPolicy.Lambda, true, evidence);
    }

    private FactorFinding Finding(LengthFactor factor, string name, Estimate cost, LengthPolicy worse, LengthPolicy better, bool canFail, string evidence)
    {
        var fails = canFail && IsBeyond(cost);
        var sentence = Text($"{name}: {(fails ? "fails" : "does not fail")}. At {Last.Name} {worse} costs {cost.Brief()} nats a token more than {better} ({LossAt(worse):F3} and {LossAt(better):F3}){evidence}.");
        return new FactorFinding(factor, cost, worse, better, fails, sentence);
    }

    private bool IsBeyond(Estimate cost) => cost.Value > margin + 2 * (double.IsNaN(cost.StandardError) ? 0 : cost.StandardError);

    private double LossAt(LengthPolicy policy) => Losses(policy).Buckets[^1].Loss.Value;

    private IEnumerable<(LengthPolicy Policy, AttentionFigures Figures)> All() => Readings.SelectMany(reading => reading.Attention.Select(figures => (reading.Policy, figures)));

    private AttentionFigures? Largest(LengthPolicy policy, long from) => byPolicy[policy].Attention.Where(figures => figures.From == from).MaxBy(figures => figures.LargestLogit);

    private (double Keys, double Entropy, double Starts)? Mean(LengthPolicy policy, long from)
    {
        var all = byPolicy[policy].Attention.Where(figures => figures.From == from).ToArray();
        return all.Length == 0 ? null : (all.Average(one => one.KeyCount), all.Average(one => one.MeanEntropy), all.Average(one => one.StartMass));
    }

    private static double Squared(double error) => double.IsNaN(error) ? 0 : error * error;

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
