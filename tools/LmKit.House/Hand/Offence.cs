using Microsoft.CodeAnalysis.Text;

namespace LmKit.House;

/// <summary>A place that is not written in the one hand.</summary>
/// <param name="Rule">Which rule: braces, fields or access.</param>
/// <param name="Path">The file, from the root.</param>
/// <param name="Line">The line, counted from 1.</param>
/// <param name="What">What is wrong.</param>
/// <param name="Edits">What mends it; none where no rewriting is safe.</param>
internal sealed record Offence(string Rule, string Path, int Line, string What, IReadOnlyList<Edit> Edits)
{
    /// <summary>Path, line and what is wrong.</summary>
    public override string ToString() => $"{Path}:{Line}: {What}";
}

/// <summary>One replacement in a file's text.</summary>
internal sealed record Edit(string Path, TextSpan Span, string Text);
