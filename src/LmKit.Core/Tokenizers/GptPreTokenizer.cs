using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>GPT-2's cut of text into words, inside which byte pairs are merged.</summary>
internal static partial class GptPreTokenizer
{
    /// <summary>English contractions, then letters, digits or signs with one blank before them, then runs of blanks.</summary>
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    public static partial Regex Words();

    /// <summary>The same cut in the form that Microsoft.ML.Tokenizers takes.</summary>
    public static RegexPreTokenizer Create() => new(Words(), null);
}
