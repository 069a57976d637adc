using System.Text;

namespace LmKit;

/// <summary>Unicode's normal forms, of the version that the published library has.</summary>
internal sealed class FormNormalizer : TextNormalizer
{
    private readonly NormalizationForm form;

    /// <exception cref="FormatException">.NET runs without them: in its invariant mode it returns every text as it came.</exception>
    internal FormNormalizer(NormalizationForm form)
    {
        if ("e\u0301".Normalize(NormalizationForm.FormC).Length != 1)
            throw new FormatException("the tokenizer needs Unicode's normal forms, which .NET leaves out in its globalization-invariant mode: set InvariantGlobalization to false in the app's project and DOTNET_SYSTEM_GLOBALIZATION_INVARIANT to 0, and install ICU (libicu)");
        this.form = form;
    }

    internal override string Apply(string text, ref int startsAt)
    {
        if (IsPlain(text, form))
            return text;
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
