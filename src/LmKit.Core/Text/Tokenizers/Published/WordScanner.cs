using System.Globalization;

namespace LmKit;

/// <summary>The cuts of byte-level vocabularies that most published files have, written out by hand.</summary>
/// <remarks>They give what <see cref="TextPattern"/> finds for their expressions, several times faster; every character belongs to some
/// match, so a cut is a row of words.</remarks>
internal sealed class WordScanner : TextSplitter
{
    /// <summary>GPT-2's: English contractions, then letters, digits or signs with one blank before them, then runs of blanks.</summary>
    internal const string Gpt2Expression = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private const string Cl100k = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
    private const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    internal const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    internal static readonly WordScanner Gpt2 = new(0);

    private static readonly WordScanner Three = new(3);
    private static readonly WordScanner One = new(1);

    // Characters up to U+FFFF by kind.
    private static readonly byte[] Kinds = Build();

    private readonly int digits; // at most in a word; 0 for GPT-2's cut

    private WordScanner(int digits) => this.digits = digits;

    private const int Sign = 0;
    private const int Letter = 1;
    private const int Number = 2;
    private const int Blank = 3;
    private const int Line = 4; // a blank that ends a line

    /// <summary>The cut of an expression, or null if it is none of these.</summary>
    internal static WordScanner? For(string expression) => expression switch
    {
        Gpt2Expression => Gpt2,
        Llama3 or Cl100k => Three,
        Qwen2 => One,
        _ => null,
    };

    internal override void Split(ReadOnlySpan<char> text, Parts parts, List<(int Start, int End)> matches)
    {
        for (var start = 0; start < text.Length;)
        {
            var end = Next(text, start);
            parts.Add(start, end);
            start = end;
        }
    }

    /// <summary>Where the word ends that begins at a place.</summary>
    internal int Next(ReadOnlySpan<char> text, int place)
    {
        var first = text[place];
        var kind = Kind(text, place, out var width);
        if (first == '\'' && Contraction(text, place) is var contracted and > 0)
            return place + contracted;
        if (kind == Letter)
            return Run(text, place + width, Letter);
        var behind = place + width;
        if (digits == 0)
        {
            if (kind is Number or Sign)
                return Run(text, behind, kind);
            if (first == ' ' && behind < text.Length && Kind(text, behind, out width) is (Letter or Number or Sign) and var word)
                return Run(text, behind + width, word);
            return Blanks(text, place, endsAtLines: false);
        }
        if (kind == Number)
        {
            for (var taken = 1; taken < digits && behind < text.Length && Kind(text, behind, out width) == Number; taken++)
                behind += width;
            return behind;
        }
        if (kind != Line && behind < text.Length && Kind(text, behind, out width) == Letter)
            return Run(text, behind + width, Letter);
        if (kind == Sign || (first == ' ' && behind < text.Length && Kind(text, behind, out width) == Sign))
        {
            var end = Run(text, kind == Sign ? behind : behind + width, Sign);
            while (end < text.Length && text[end] is '\r' or '\n')
                end++;
            return end;
        }
        return Blanks(text, place, endsAtLines: true);
    }

    // All blanks up to the last end of a line; without one all but the last blank before a word, and where there is but one, that.
    private static int Blanks(ReadOnlySpan<char> text, int place, bool endsAtLines)
    {
        var (end, line) = (place, -1);
        while (end < text.Length && Kinds[text[end]] >= Blank)
        {
            if (Kinds[text[end]] == Line)
                line = end;
            end++;
        }
        if (endsAtLines && line >= 0)
            return line + 1;
        return end < text.Length && end - place > 1 ? end - 1 : end;
    }

    private static int Run(ReadOnlySpan<char> text, int place, int kind)
    {
        while (place < text.Length)
        {
            var character = text[place];
            if (!char.IsSurrogate(character))
            {
                if (Kinds[character] != kind)
                    return place;
                place++;
            }
            else
            {
                if (Kind(text, place, out var width) != kind)
                    return place;
                place += width;
            }
        }
        return place;
    }

    private static int Kind(ReadOnlySpan<char> text, int place, out int width)
    {
        var character = text[place];
        if (!char.IsSurrogate(character))
        {
            width = 1;
            return Kinds[character];
        }
        return Kind(CodePointSet.At(text, place, out width));
    }

    private static int Kind(int value) => CharUnicodeInfo.GetUnicodeCategory(value) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => Letter,
        UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Number,
        _ => Sign,
    };

    // Large letters and the long s count where the expression ignores case.
    private int Contraction(ReadOnlySpan<char> text, int place)
    {
        if (place + 1 >= text.Length)
            return 0;
        var ignoresCase = digits > 0;
        var next = Small(text[place + 1], ignoresCase);
        if (next is 's' or 't' or 'm' or 'd')
            return 2;
        if (place + 2 >= text.Length)
            return 0;
        return (next, Small(text[place + 2], ignoresCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Small(char character, bool ignoresCase) => !ignoresCase ? character : character == '\u017f' ? 's' : character is >= 'A' and <= 'Z' ? (char)(character | 0x20) : character;

    private static byte[] Build()
    {
        var kinds = new byte[char.MaxValue + 1];
        var white = CharacterClasses.Short('s')!;
        for (var value = 0; value < kinds.Length; value++)
            kinds[value] = (byte)(value is '\r' or '\n' ? Line : white.Contains(value) ? Blank : Kind(value));
        return kinds;
    }
}
