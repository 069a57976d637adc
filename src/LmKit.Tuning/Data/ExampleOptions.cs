using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How prompts and responses become examples.</summary>
public sealed class ExampleOptions
{
    /// <summary>Most tokens of an example. Default 2048.</summary>
    [Range(2, 1 << 24)]
    public int MaxLength { get; set; } = 2048;

    /// <summary>Tokens of the response that stay when an example is too long; the prompt gives way first beyond that. Default 16.</summary>
    [Range(1, 1 << 24)]
    public int MinResponseTokens { get; set; } = 16;

    /// <summary>What is learned. Default the response.</summary>
    public LossTarget LossOn { get; set; }

    /// <summary>The id that begins an example, or null for none.</summary>
    public int? BeginId { get; set; }

    /// <summary>The id that ends a whole response, or null for the tokenizer's end of text.</summary>
    public int? EndId { get; set; }
}
