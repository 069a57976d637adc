namespace LmKit;

/// <summary>How text is generated, beside how tokens are drawn.</summary>
public sealed class TextGenerationOptions
{
    /// <summary>Most tokens to add. Default 256.</summary>
    public long MaxTokens { get; set; } = 256;

    /// <summary>Texts that end a row; they are matched on the text, wherever token borders fall, and not returned.</summary>
    public IReadOnlyList<string> StopStrings { get; set; } = [];

    /// <summary>Seed of the draws; null for a fresh one each time.</summary>
    public ulong? Seed { get; set; }
}
