namespace LmKit;

/// <summary>One document of training text.</summary>
/// <param name="Place">Where it comes from: a file, or FILE:LINE.</param>
/// <param name="Text">Its text, not empty.</param>
public sealed record TextDocument(string Place, string Text);
