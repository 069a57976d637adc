using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>GPT-2's cut of text into words, inside which byte pairs are merged.</summary>
/// <remarks>.NET's expressions see a character beyond U+FFFF as two that are no letters. For the cut each such character is replaced by
/// two that are what it is, letters, digits or signs, so that it falls as GPT-2's own does and no place moves.</remarks>
internal sealed partial class GptPreTokenizer : PreTokenizer
{
    internal static readonly GptPreTokenizer Instance = new();

    private const char Letter = '\u4e00';
    private const char Digit = '0';
    private const char Sign = '\u00a7';

    /// <summary>English contractions, then letters, digits or signs with one blank before them, then runs of blanks.</summary>
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    internal static partial Regex Words();

    /// <summary>The words of a text, each by its place.</summary>
    internal static Regex.ValueMatchEnumerator Cut(ReadOnlySpan<char> text) =>
        Words().EnumerateMatches(text.ContainsAnyInRange('\ud800', '\udfff') ? Replaced(text) : text);

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PreTokenize(text.AsSpan());
    }

    /// <inheritdoc/>
    public override IEnumerable<(int Offset, int Length)> PreTokenize(ReadOnlySpan<char> text)
    {
        var words = new List<(int, int)>();
        foreach (var word in Cut(text))
            words.Add((word.Index, word.Length));
        return words;
    }

    private static char[] Replaced(ReadOnlySpan<char> text)
    {
        var made = text.ToArray();
        for (var place = 0; place + 1 < made.Length; place++)
        {
            if (char.IsSurrogatePair(made[place], made[place + 1]))
            {
                var kind = Kind(CharUnicodeInfo.GetUnicodeCategory(char.ConvertToUtf32(made[place], made[place + 1])));
                (made[place], made[place + 1]) = (kind, kind);
                place++;
            }
        }
        return made;
    }

    private static char Kind(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Digit,
        _ => Sign,
    };
}
