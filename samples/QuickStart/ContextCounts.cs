namespace LmKit.QuickStart;

/// <summary>What followed each context of one length in a text.</summary>
/// <remarks>A context is packed into an integer, its newest byte lowest.</remarks>
public sealed class ContextCounts
{
    private readonly CountTable pairs = new();
    private readonly CountTable occurrences = new();
    private readonly CountTable followers = new();

    private ContextCounts()
    {
    }

    /// <summary>Counts the contexts of <paramref name="length"/> bytes (0 to 7) of a text.</summary>
    public static ContextCounts Of(ReadOnlySpan<byte> text, int length)
    {
        var counts = new ContextCounts();
        var history = 0UL;
        for (var i = 0; i < text.Length; i++)
        {
            if (i >= length)
                counts.pairs.Add((Last(history, length) << 8) | text[i]);

            history = (history << 8) | text[i];
        }

        // Totals come from the pairs, which are far fewer than the bytes of the text.
        foreach (var (pair, count) in counts.pairs.Entries)
        {
            counts.occurrences.Add(pair >> 8, count);
            counts.followers.Add(pair >> 8);
        }

        return counts;
    }

    /// <summary>The newest <paramref name="length"/> bytes of a packed history.</summary>
    public static ulong Last(ulong history, int length) => history & ((1UL << (8 * length)) - 1);

    /// <summary>How often a context occurred with a byte after it: n(c).</summary>
    public int Occurrences(ulong context) => occurrences[context];

    /// <summary>How often a byte followed a context: n(c b).</summary>
    public int Occurrences(ulong context, byte next) => pairs[(context << 8) | next];

    /// <summary>How many different bytes followed a context: t(c).</summary>
    public int Followers(ulong context) => followers[context];
}
