namespace LmKit.InstructionTuning;

/// <summary>A bound on one of an arm's shares.</summary>
/// <param name="Arm">The arm; null for the base model.</param>
/// <param name="Measure">The share's name.</param>
/// <param name="Score">The share.</param>
/// <param name="Bound">Its bound.</param>
/// <param name="IsLeast">Whether the share must not fall below the bound; otherwise it must not exceed it.</param>
public sealed record Window(DatasetArm? Arm, string Measure, Func<ProbeScores, double> Score, double Bound, bool IsLeast)
{
    /// <summary>The bound on the teacher's good, which the specification puts on the mean over seeds, and this on each seed too.</summary>
    public const double Good = 0.5;

    private const double NearlyAll = 0.9;
    private const double Knows = 0.95;
    private const double Rarely = 0.1;
    private const double Sometimes = 0.35;

    /// <summary>All windows: the teacher's arm has learned, base and control have not.</summary>
    public static IReadOnlyList<Window> All { get; } =
    [
        new(DatasetArm.Teacher, "on_topic", scores => scores.OnTopic, NearlyAll, true),
        new(DatasetArm.Teacher, "no_q", scores => scores.NoQuestion, NearlyAll, true),
        new(DatasetArm.Teacher, "marker", scores => scores.Marker, NearlyAll, true),
        new(DatasetArm.Teacher, "good", scores => scores.Good, Good, true),
        new(DatasetArm.Teacher, "cloze", scores => scores.Cloze, Knows, true),
        .. Unlearned(null),
        .. Unlearned(DatasetArm.Original),
    ];

    /// <summary>The window in words.</summary>
    public string Text => FormattableString.Invariant($"{(Arm switch { null => "base", DatasetArm.Original => "control", _ => "teacher" })}: {Measure} {(IsLeast ? ">=" : "<=")} {Bound}");

    /// <summary>The share of its arm among a seed's arms.</summary>
    public double Of(IEnumerable<ArmResult> arms) => Score(arms.Single(arm => arm.Arm == Arm).Scores);

    /// <summary>Whether it holds among a seed's arms.</summary>
    public bool Holds(IEnumerable<ArmResult> arms) => IsLeast ? Of(arms) >= Bound : Of(arms) <= Bound;

    private static Window[] Unlearned(DatasetArm? arm) =>
    [
        new(arm, "good", scores => scores.Good, Rarely, false),
        new(arm, "no_q", scores => scores.NoQuestion, Sometimes, false),
        new(arm, "marker", scores => scores.Marker, Rarely, false),
    ];
}
