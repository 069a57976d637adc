using System.Text;

namespace LmKit;

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
