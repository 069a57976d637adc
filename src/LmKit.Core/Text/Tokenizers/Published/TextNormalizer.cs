using System.Text;

namespace LmKit;

/// <summary>A step that changes a text before it is split; a stretch of text between added tokens at a time.</summary>
internal abstract class TextNormalizer
{
    /// <summary>Changes a text.</summary>
    /// <param name="text">The text, without halves of pairs.</param>
    /// <param name="startsAt">Counts what was removed at the beginning: where the first character stood.</param>
    internal abstract string Apply(string text, ref int startsAt);

    /// <summary>Puts another text for each character; null leaves it.</summary>
    protected static string Map(string text, ref int startsAt, Func<int, string?> change)
    {
        StringBuilder? made = null;
        for (var place = 0; place < text.Length;)
        {
            var value = CodePointSet.At(text, place, out var length);
            if (change(value) is { } other)
            {
                made ??= new StringBuilder(text.Length + 16).Append(text, 0, place);
                if (made.Length == 0 && other.Length == 0)
                    startsAt += length;
                _ = made.Append(other);
            }
            else
            {
                _ = made?.Append(text, place, length);
            }
            place += length;
        }
        return made?.ToString() ?? text;
    }
}

/// <summary>Steps one after another.</summary>
internal sealed class NormalizerSequence(IReadOnlyList<TextNormalizer> steps) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt)
    {
        foreach (var step in steps)
            text = step.Apply(text, ref startsAt);
        return text;
    }
}

/// <summary>Unicode's normal forms, of the version that the published library has.</summary>
internal sealed class FormNormalizer(NormalizationForm form) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => Normal(text, form);

    internal static string Normal(string text, NormalizationForm form)
    {
        if (IsPlain(text, form))
            return text;
        var young = OlderUnicode.IsYoung;
        StringBuilder? made = null;
        var start = 0;
        for (var place = 0; place < text.Length;)
        {
            var value = CodePointSet.At(text, place, out var length);
            if (young.Contains(value))
            {
                _ = (made ??= new StringBuilder(text.Length + 16)).Append(text[start..place].Normalize(form)).Append(text, place, length);
                start = place + length;
            }
            place += length;
        }
        return made is null ? text.Normalize(form) : made.Append(text[start..].Normalize(form)).ToString();
    }

    // Below U+0300 nothing is composed, below U+00A0 nothing has parts.
    private static bool IsPlain(ReadOnlySpan<char> text, NormalizationForm form) =>
        form == NormalizationForm.FormC ? !text.ContainsAnyExceptInRange('\0', '\u02ff') : !text.ContainsAnyExceptInRange('\0', '\u009f');
}

/// <summary>Small letters, character by character.</summary>
internal sealed class LowercaseNormalizer : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt)
    {
        if (Ascii.IsValid(text))
            return text.ToLowerInvariant();
        var made = new StringBuilder(text.Length);
        for (var place = 0; place < text.Length;)
        {
            var value = CodePointSet.At(text, place, out var length);
            _ = value < 128 ? made.Append(char.ToLowerInvariant((char)value)) : made.Append(OlderUnicode.Lower(value));
            place += length;
        }
        return made.ToString();
    }
}

/// <summary>Takes blanks off the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt)
    {
        var end = right ? text.AsSpan().TrimEnd().Length : text.Length;
        var start = left ? end - text.AsSpan(0, end).TrimStart().Length : 0;
        startsAt += start;
        return text[start..end];
    }
}

/// <summary>Takes out combining marks.</summary>
internal sealed class AccentNormalizer : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => Map(text, ref startsAt, value => OlderUnicode.IsMark.Contains(value) ? "" : null);
}

/// <summary>Puts a text for each match.</summary>
internal sealed class ReplaceNormalizer(TextMatcher matcher, string content) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt)
    {
        if (text.Length == 0)
            return text;
        if (matcher.Literal is { Length: > 0 } literal)
        {
            if (text.StartsWith(literal, StringComparison.Ordinal))
                startsAt += content.Length == 0 ? literal.Length : literal.Length - LastWidth(literal);
            return text.Replace(literal, content, StringComparison.Ordinal);
        }
        var matches = new List<(int Start, int End)>();
        matcher.Find(text, matches);
        if (matches.Count == 0)
            return text;
        var made = new StringBuilder(text.Length);
        var from = 0;
        foreach (var (start, end) in matches)
        {
            _ = made.Append(text, from, start - from);
            if (made.Length == 0 && end > start)
                startsAt += content.Length == 0 ? end - start : end - start - LastWidth(text.AsSpan(0, end));
            _ = made.Append(content);
            from = end;
        }
        return made.Append(text, from, text.Length - from).ToString();
    }

    // What stands for a match has the place of the match's last character.
    private static int LastWidth(ReadOnlySpan<char> text)
    {
        _ = CodePointSet.Before(text, text.Length, out var length);
        return length;
    }
}

/// <summary>Puts a text before every stretch that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => text.Length == 0 ? text : prefix + text;
}

/// <summary>BERT's cleaning: control characters out, blanks alike, Chinese characters apart, accents and capitals away.</summary>
internal sealed class BertNormalizer(bool cleans, bool separatesChinese, bool stripsAccents, bool lowers) : TextNormalizer
{
    private readonly LowercaseNormalizer lower = new();

    internal override string Apply(string text, ref int startsAt)
    {
        if (cleans)
            text = Map(text, ref startsAt, Cleaned);
        if (separatesChinese)
            text = Map(text, ref startsAt, value => IsChinese(value) ? $" {char.ConvertFromUtf32(value)} " : null);
        if (stripsAccents)
            text = Map(FormNormalizer.Normal(text, NormalizationForm.FormD), ref startsAt, value => OlderUnicode.IsNonspacing.Contains(value) ? "" : null);
        return lowers ? lower.Apply(text, ref startsAt) : text;
    }

    private static string? Cleaned(int value) =>
        value is > ' ' and < 127 or ' ' ? null
        : value is 0 or 0xfffd || OlderUnicode.IsControl.Contains(value) ? ""
        : CharacterClasses.Short('s')!.Contains(value) ? " " : null;

    // The range that begins at 2B920 is the library's; the characters from 2B820 on are not among them.
    private static bool IsChinese(int value) => value is (>= 0x4e00 and <= 0x9fff) or (>= 0x3400 and <= 0x4dbf) or (>= 0x20000 and <= 0x2a6df) or (>= 0x2a700 and <= 0x2b73f)
        or (>= 0x2b740 and <= 0x2b81f) or (>= 0x2b920 and <= 0x2ceaf) or (>= 0xf900 and <= 0xfaff) or (>= 0x2f800 and <= 0x2fa1f);
}

/// <summary>The cleaning of NMT: control characters out, blanks and what is invisible alike.</summary>
internal sealed class NmtNormalizer : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => Map(text, ref startsAt, value => value switch
    {
        (>= 1 and <= 8) or 0xb or (>= 0xe and <= 0x1f) or 0x7f or 0x8f or 0x9f => "",
        9 or 0xa or 0xc or 0xd or 0x1680 or (>= 0x200b and <= 0x200f) or 0x2028 or 0x2029 or 0x2581 or 0xfeff or 0xfffd => " ",
        _ => null,
    });
}

/// <summary>Every byte of the text as a printable character.</summary>
internal sealed class ByteLevelNormalizer : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => ByteAlphabet.Spell(Encoding.UTF8.GetBytes(text));
}
