using System.Text;

namespace LmKit;

/// <summary>Unicode's normal forms, of the version that the published library has.</summary>
internal sealed class FormNormalizer(NormalizationForm form) : TextNormalizer
{
    internal override string Apply(string text, ref int startsAt) => Normal(text, form);

    // Without ICU .NET leaves every text as it is and says nothing.
    private static readonly bool hasForms = "e\u0301".Normalize(NormalizationForm.FormC).Length == 1;

    internal static string Normal(string text, NormalizationForm form)
    {
        if (IsPlain(text, form))
            return text;
        if (!hasForms)
            throw new TokenizerRefusal($"The file's normalizer needs Unicode's normal form {form.ToString()[4..]}, which .NET does not have where InvariantGlobalization is on, and the text holds other characters than plain ones; set InvariantGlobalization (or DOTNET_SYSTEM_GLOBALIZATION_INVARIANT) to false and install ICU.");
        text = MarkOrder.Apply(text);
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
