using System.Text;

namespace LmKit.Core.Tests;

internal static class SampleText
{
    public const string Mixed = "It's naïve — 中文, العربية, Ελληνικά 12345  \n\n\tdon't! 👩‍👩‍👧‍👦🏳️‍🌈 \u00a0 𝒜𝓑 e\u0301 <|endoftext|> \u0000\u007f end";

    public static string Random(int seed, int length)
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
    public static string Words(int seed, int count)
    {
        var random = new Random(seed);
        string[] syllables = ["ta", "ri", "no", "the", "ing", "er", "ed", "qu", "o", "s"];
        var text = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            for (var part = random.Next(1, 4); part > 0; part--)
            {
                _ = text.Append(syllables[(int)(syllables.Length * Math.Pow(random.NextDouble(), 2))]);
            }
            _ = text.Append(random.Next(9) == 0 ? ".\n" : " ");
        }
        return text.ToString();
    }
}
