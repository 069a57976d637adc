namespace LmKit;

/// <summary>A chat as a template wrote it.</summary>
/// <param name="Runs">Its characters by origin.</param>
/// <param name="Generated">The character ranges that the assistant generates, where the template marks them.</param>
public sealed record RenderedChat(IReadOnlyList<ChatTextRun> Runs, IReadOnlyList<Range> Generated)
{
    /// <summary>The whole text.</summary>
    public string Text => string.Concat(Runs.Select(run => run.Text));
}
