using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Where a document is cut in two.</summary>
public sealed class SplitOptions
{
    /// <summary>What is counted. Default words.</summary>
    public SplitUnit Unit { get; set; }

    /// <summary>Share of the document that becomes the prompt. Default one half.</summary>
    [Range(0.001, 0.999)]
    public double Fraction { get; set; } = 0.5;

    /// <summary>Most units of the prompt; 0 for no bound, the default.</summary>
    [Range(0, int.MaxValue)]
    public int MaxPromptLength { get; set; }

    /// <summary>Whether the cut moves to the nearest end of a sentence within the bound; the published method does not. Default false.</summary>
    public bool SnapsToSentence { get; set; }
}
