namespace LmKit.InstructionTuning;

/// <summary>Whether the results of several seeds count as a reproduction: each condition, with the value it is judged by.</summary>
/// <param name="Condition">The condition in words.</param>
/// <param name="Values">One value a seed, or their mean.</param>
/// <param name="Holds">Whether it holds.</param>
public sealed record Reproduction(string Condition, IReadOnlyList<double> Values, bool Holds)
{
    private const double NearlyAll = 0.9;
    private const double Knows = 0.95;
    private const double GoodMean = 0.5;
    private const double Rarely = 0.1;
    private const double Sometimes = 0.35;

    /// <summary>The conditions, judged on results of any number of seeds.</summary>
    public static IReadOnlyList<Reproduction> Judge(IReadOnlyList<ArmResult> results)
    {
        ArgumentNullException.ThrowIfNull(results);
        return
        [
            AtLeast(DatasetArm.Teacher, "on_topic", scores => scores.OnTopic, NearlyAll),
            AtLeast(DatasetArm.Teacher, "no_q", scores => scores.NoQuestion, NearlyAll),
            AtLeast(DatasetArm.Teacher, "marker", scores => scores.Marker, NearlyAll),
            AtLeast(DatasetArm.Teacher, "cloze", scores => scores.Cloze, Knows),
            Mean(DatasetArm.Teacher, scores => scores.Good),
            AtMost(null, "good", scores => scores.Good, Rarely),
            AtMost(null, "no_q", scores => scores.NoQuestion, Sometimes),
            AtMost(null, "marker", scores => scores.Marker, Rarely),
            AtMost(DatasetArm.Original, "good", scores => scores.Good, Rarely),
            AtMost(DatasetArm.Original, "no_q", scores => scores.NoQuestion, Sometimes),
            AtMost(DatasetArm.Original, "marker", scores => scores.Marker, Rarely),
        ];

        double[] Of(DatasetArm? arm, Func<ProbeScores, double> score) => [.. results.Where(result => result.Arm == arm).Select(result => score(result.Scores))];

        Reproduction AtLeast(DatasetArm? arm, string name, Func<ProbeScores, double> score, double least) =>
            Every(arm, score, FormattableString.Invariant($"{Named(arm)}: {name} >= {least} on every seed"), value => value >= least);

        Reproduction AtMost(DatasetArm? arm, string name, Func<ProbeScores, double> score, double most) =>
            Every(arm, score, FormattableString.Invariant($"{Named(arm)}: {name} <= {most} on every seed"), value => value <= most);

        Reproduction Every(DatasetArm? arm, Func<ProbeScores, double> score, string condition, Func<double, bool> holds) =>
            Of(arm, score) is var values ? new Reproduction(condition, values, values.Length > 0 && values.All(holds)) : throw new InvalidOperationException();

        Reproduction Mean(DatasetArm? arm, Func<ProbeScores, double> score)
        {
            var mean = Of(arm, score).DefaultIfEmpty(0).Average();
            return new Reproduction(FormattableString.Invariant($"{Named(arm)}: mean of good >= {GoodMean}"), [mean], mean >= GoodMean);
        }
    }

    private static string Named(DatasetArm? arm) => arm switch { null => "base", DatasetArm.Original => "control", _ => "teacher" };
}
