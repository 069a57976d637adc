namespace LmKit.InstructionTuning;

/// <summary>What one arm of one seed came to.</summary>
/// <param name="Arm">The arm; null for the base model.</param>
/// <param name="Seed">The seed.</param>
/// <param name="Scores">The probe's shares.</param>
/// <param name="Replies">The replies behind them.</param>
/// <param name="Loss">Loss of the last training step, in nats a token.</param>
public sealed record ArmResult(DatasetArm? Arm, long Seed, ProbeScores Scores, IReadOnlyList<Reply> Replies, double Loss)
{
    /// <summary>The arm in words.</summary>
    public string Name => Arm switch
    {
        null => "base",
        DatasetArm.Original => "original second half (control)",
        DatasetArm.Teacher => "teacher's continuation",
        DatasetArm.ResponseOnly => "teacher's responses only, no prompt",
        _ => Arm.Value.ToString(),
    };
}
