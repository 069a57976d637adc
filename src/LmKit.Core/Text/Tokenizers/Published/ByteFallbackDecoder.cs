using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>Runs of <c>&lt;0xNN&gt;</c> to text; of a run that is no UTF-8 as a whole every byte is U+FFFD.</summary>
internal sealed class ByteFallbackDecoder : TokenDecoder
{
    private readonly List<byte> run = [];

    internal override bool Waits => (run.Count > 0 && !IsValid()) || base.Waits;

    internal override bool Holds => run.Count > 0 || base.Holds;

    internal override void Add(string token)
    {
        if (token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>' && Byte(token.AsSpan(3, 2)) is { } value)
        {
            run.Add(value);
            return;
        }
        End();
        Give(token);
    }

    internal override void Flush()
    {
        End();
        base.Flush();
    }

    private static byte? Byte(ReadOnlySpan<char> digits) =>
        byte.TryParse(digits[0] == '+' ? digits[1..] : digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    private bool IsValid() => System.Text.Unicode.Utf8.IsValid(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(run));

    private void End()
    {
        if (run.Count == 0)
            return;
        if (IsValid())
        {
            Give(Encoding.UTF8.GetString([.. run]));
        }
        else
        {
            foreach (var _ in run)
                Give("\ufffd");
        }
        run.Clear();
    }
}
