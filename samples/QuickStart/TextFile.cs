namespace LmKit.QuickStart;

/// <summary>The text of one file, the smallest unit that a split moves.</summary>
/// <param name="Name">The name that reports show and that the order of files follows.</param>
/// <param name="Text">The text.</param>
public sealed record TextFile(string Name, string Text);
