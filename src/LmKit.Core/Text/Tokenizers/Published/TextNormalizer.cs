using System.Text;

namespace LmKit;

/// <summary>A step that changes a text before it is split; a stretch of text between added tokens at a time.</summary>
internal abstract class TextNormalizer
{
    private const int FreeLength = 1 << 20;

    /// <summary>Characters that one step may make of one.</summary>
    protected const int StepGrowth = 20;

    /// <summary>Changes a text.</summary>
    /// <param name="text">The text, without halves of pairs.</param>
    /// <param name="startsAt">Counts what was removed at the beginning: where the first character stood.</param>
    internal abstract string Apply(string text, ref int startsAt);

    /// <summary>Refuses a text that grew out of all proportion: steps that make more and more of a text would fill any memory.</summary>
    /// <param name="length">Its characters.</param>
    /// <param name="before">Those of the text that it comes of.</param>
    /// <param name="most">How many may come of one.</param>
    protected static void CheckGrowth(long length, int before, int most)
    {
        if (length > Math.Max(FreeLength, (long)most * before))
            throw new TokenizerRefusal($"The file's normalizer makes {length} characters of {before}; {most} for each are allowed, so its replacements are too long or feed each other.");
    }

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
        var before = text.Length;
        foreach (var step in steps)
        {
            text = step.Apply(text, ref startsAt);
            CheckGrowth(text.Length, before, 3 * StepGrowth);
        }
        return text;
    }
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

/// <summary>Puts a text before every stretch that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => text.Length == 0 ? text : prefix + text;
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
