namespace LmKit.Mutation;

/// <summary>What became of a change.</summary>
/// <param name="Text">The change.</param>
/// <param name="Key">What it is known by when lines move.</param>
/// <param name="IsNamed">Whether it comes from named.json.</param>
/// <param name="First">How it ended at first.</param>
/// <param name="Last">How it ended last.</param>
/// <param name="Test">The test that saw it.</param>
internal sealed record MutantResult(string Text, string Key, bool IsNamed, string First, string Last, string? Test)
{
    internal const string Seen = "seen";
    internal const string Survived = "survived";
    internal const string Unreached = "reached by no test";
}
