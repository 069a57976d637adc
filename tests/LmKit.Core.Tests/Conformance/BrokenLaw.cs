namespace LmKit.Core.Tests;

/// <summary>The law that a <see cref="BrokenMixer"/> breaks.</summary>
public enum BrokenLaw
{
    None,
    LeaksFuture,
    MixesRows,
    MixesDocuments,
    SeesPadding,
    ForgetsAtCuts,
    SharesFork,
    RestoresWithoutCopy,
    WrongGradient,
    WritesInput,
    LeavesTensor,
    AcceptsAnyWidth,
    RefusesWithoutReason,
    GoesBackInNameOnly,
    GoesBackTooFar,
}
