namespace LmKit;

/// <summary>How text is generated, beside how tokens are drawn.</summary>
public sealed class TextGenerationOptions
{
    /// <summary>Most tokens to add, at least 0; a model that can read no further ends a text earlier. Default 256.</summary>
    public long MaxTokens { get; set; } = 256;

    /// <summary>Texts that end a row; they are matched on the text, wherever token borders fall, and not returned. Empty ones are passed over.</summary>
    public IReadOnlyList<string> StopStrings { get; set; } = [];

    /// <summary>Seed of the draws; null for a fresh one each time.</summary>
    /// <remarks>A call draws for all its prompts from one generator. So the same call gives the same texts again, while a prompt's text in a
    /// batch is another than alone, and changes with the prompts beside it.</remarks>
    public ulong? Seed { get; set; }
}
