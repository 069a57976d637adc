using System.ComponentModel.DataAnnotations;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>A document cut in two. Words are maximal runs of characters that are not white space.</summary>
/// <param name="Prompt">From the first word to the cut, white space inside kept.</param>
/// <param name="Reference">From the next word to the last.</param>
/// <param name="PromptWords">Words of the prompt.</param>
/// <param name="TotalWords">Words of the document.</param>
public sealed record TextHalves(string Prompt, string Reference, int PromptWords, int TotalWords)
{
    /// <summary>Cuts a text at a word in the middle.</summary>
    /// <param name="text">The text.</param>
    /// <param name="maxPromptWords">Most words of the prompt; null for no bound.</param>
    /// <param name="maxWords">Words beyond this are dropped first; null for no bound.</param>
    /// <param name="snapsToSentence">Moves the cut to the nearest end of a sentence, where there is one.</param>
    /// <returns>Null for a text of fewer than two words.</returns>
    public static TextHalves? Split(string text, int? maxPromptWords = null, int? maxWords = null, bool snapsToSentence = false) =>
        Split(text, new SplitOptions { MaxPromptLength = maxPromptWords ?? 0, SnapsToSentence = snapsToSentence }, maxWords);

    /// <summary>Cuts a text where options say.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">Unit, place and bound.</param>
    /// <param name="maxWords">Words beyond this are dropped first; null for no bound.</param>
    /// <param name="tokenizer">Counts tokens, where they are the unit.</param>
    /// <returns>Null for a text of fewer than two words or units.</returns>
    /// <exception cref="ArgumentException">Tokens are the unit and there is no tokenizer.</exception>
    public static TextHalves? Split(string text, SplitOptions options, int? maxWords = null, Tokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(options);
        var words = TextUnits.Words(text, maxWords ?? int.MaxValue);
        if (words.Count < 2)
            return null;
        var (first, last) = (words[0].Start, words[^1].End);
        var units = options.Unit switch
        {
            SplitUnit.Word => words,
            SplitUnit.Grapheme => TextUnits.Graphemes(text, first, last),
            SplitUnit.Token => TextUnits.Tokens(text, first, last, tokenizer ?? throw new ArgumentException("Tokens are the unit of the cut; give the tokenizer that counts them.", nameof(tokenizer))),
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.Unit, "There is no such unit."),
        };
        if (units.Count < 2)
            return null;
        var half = Math.Clamp((int)(units.Count * options.Fraction), 1, units.Count - 1);
        half = options.MaxPromptLength > 0 ? Math.Min(half, options.MaxPromptLength) : half;
        if (options.SnapsToSentence)
            half = NearestSentenceEnd(text, units, half, options.MaxPromptLength > 0 ? Math.Min(options.MaxPromptLength, units.Count - 1) : units.Count - 1);
        var (prompt, reference) = (text[first..units[half - 1].End].TrimEnd(), text[units[half].Start..last].TrimStart());
        return prompt.Length == 0 || reference.Length == 0
            ? null
            : new TextHalves(prompt, reference, options.Unit == SplitUnit.Word ? half : TextUnits.Words(prompt, int.MaxValue).Count, words.Count);
    }

    private static int NearestSentenceEnd(string text, IReadOnlyList<(int Start, int End)> units, int half, int most)
    {
        for (var distance = 0; distance < units.Count; distance++)
        {
            foreach (var cut in new[] { half - distance, half + distance })
            {
                if (cut > 0 && cut <= most && text[units[cut - 1].End - 1] is '.' or '!' or '?')
                    return cut;
            }
        }
        return half;
    }
}

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

/// <summary>What is counted when a document is cut.</summary>
public enum SplitUnit
{
    /// <summary>Maximal runs of characters that are not white space.</summary>
    Word,

    /// <summary>Characters as people see them (grapheme clusters); a cut may fall inside a word.</summary>
    Grapheme,

    /// <summary>Tokens of a tokenizer; a cut never falls inside a grapheme.</summary>
    Token,
}
