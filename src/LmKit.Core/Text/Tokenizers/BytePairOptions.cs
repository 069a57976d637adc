using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>What a byte-pair vocabulary shall look like.</summary>
public sealed class BytePairOptions
{
    /// <summary>Entries in all: 256 bytes, the merges, the special tokens. Default 2,000, enough for a few megabytes of text.</summary>
    [Range(256, 1_000_000)]
    public int VocabSize { get; set; } = 2_000;

    /// <summary>How often a pair must occur to be merged. Default 2: a pair seen once compresses nothing.</summary>
    [Range(1, int.MaxValue)]
    public int MinimumCount { get; set; } = 2;

    /// <summary>The token between documents, or null for none. Default GPT-2's.</summary>
    public string? EndOfText { get; set; } = "<|endoftext|>";

    /// <summary>Further tokens that stand for no text; they take the last ids.</summary>
    public IReadOnlyList<string> SpecialTokens { get; set; } = [];
}
