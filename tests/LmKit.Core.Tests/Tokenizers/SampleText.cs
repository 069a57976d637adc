using System.Text;

namespace LmKit.Core.Tests;

internal static class SampleText
{
    internal const string Mixed = "It's na\u00efve \u2014 \u4e2d\u6587, \u0627\u0644\u0639\u0631\u0628\u064a\u0629, \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac 12345  \n\n\tdon't! \ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67\u200d\ud83d\udc66\ud83c\udff3\ufe0f\u200d\ud83c\udf08 \u00a0 \ud835\udc9c\ud835\udcd1 e\u0301 <|endoftext|> \u0000\u007f end";

    internal static string Random(int seed, int length)
    {
        var random = new Random(seed);
        var text = new StringBuilder();
        for (var i = 0; i < length; i++)
        {
            var value = random.Next(4) switch { 0 => random.Next(0x80), 1 => random.Next(0x800), 2 => random.Next(0xd800), _ => random.Next(0x10000, 0x110000) };
            _ = text.Append(new Rune(value).ToString());
        }
        return text.ToString();
    }

    /// <summary>Words drawn by a skewed law, so that some pairs are frequent and many counts are equal.</summary>
    internal static string Words(int seed, int count)
    {
        var random = new Random(seed);
        string[] syllables = ["ta", "ri", "no", "the", "ing", "er", "ed", "qu", "o", "s"];
        var text = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            for (var part = random.Next(1, 4); part > 0; part--)
                _ = text.Append(syllables[(int)(syllables.Length * Math.Pow(random.NextDouble(), 2))]);
            _ = text.Append(random.Next(9) == 0 ? ".\n" : " ");
        }
        return text.ToString();
    }
}
