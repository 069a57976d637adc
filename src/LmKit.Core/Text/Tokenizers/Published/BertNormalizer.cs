using System.Text;

namespace LmKit;

/// <summary>BERT's cleaning: control characters out, blanks alike, Chinese characters apart, accents and capitals away.</summary>
internal sealed class BertNormalizer(bool cleans, bool separatesChinese, bool stripsAccents, bool lowers) : TextNormalizer
{
    private readonly LowercaseNormalizer lower = new();
    private readonly FormNormalizer? form = stripsAccents ? new(NormalizationForm.FormD) : null;

    internal override string Apply(string text, ref int startsAt)
    {
        if (cleans)
            text = Map(text, ref startsAt, Cleaned);
        if (separatesChinese)
            text = Map(text, ref startsAt, value => IsChinese(value) ? $" {char.ConvertFromUtf32(value)} " : null);
        if (form is not null)
            text = Map(form.Apply(text, ref startsAt), ref startsAt, value => OlderUnicode.IsNonspacing.Contains(value) ? "" : null);
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
