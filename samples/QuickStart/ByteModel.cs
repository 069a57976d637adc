namespace LmKit.QuickStart;

/// <summary>
/// A model of the next byte from the few bytes before it: p_k(b | c) = (n(c b) + t(c) p_(k-1)(b | c')) / (n(c) + t(c)).
/// </summary>
/// <remarks>
/// Where n counts occurrences in the training text, t(c) is the number of different bytes seen after context c of length
/// k, c' is c without its oldest byte, and p_(-1) = 1/256. This is Witten and Bell's method C ("The zero-frequency
/// problem", 1991) in its interpolated form. An honest yardstick: it knows spelling and common phrases, and nothing
/// further back than its order. Counts stay as trained while a text is scored. Immutable, so safe to share between threads.
/// </remarks>
public sealed class ByteModel
{
    /// <summary>The longest context that is offered: with the next byte it must fit a 64-bit key.</summary>
    public const int MaxOrder = 7;

    private readonly ContextCounts[] orders;

    private ByteModel(ContextCounts[] orders) => this.orders = orders;

    /// <summary>Length of the longest context in bytes.</summary>
    public int Order => orders.Length - 1;

    /// <summary>Counts every context of 0 to <paramref name="order"/> bytes of a text.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="order"/> is not in 0 .. 7.</exception>
    public static ByteModel Train(ReadOnlyMemory<byte> text, int order)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(order);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, MaxOrder);
        var orders = new ContextCounts[order + 1];
        // The highest orders take longest, so they start first.
        Parallel.For(0, order + 1, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            index => orders[order - index] = ContextCounts.Of(text.Span, order - index));
        return new ByteModel(orders);
    }

    /// <summary>The probability of a byte after a context; only the last <see cref="Order"/> bytes of it count.</summary>
    public double Probability(ReadOnlySpan<byte> context, byte next)
    {
        var history = 0UL;
        foreach (var value in context[^Math.Min(context.Length, Order)..])
            history = (history << 8) | value;

        return Probability(history, Math.Min(context.Length, Order), next);
    }

    /// <summary>Mean of -log2 p over the bytes of a text, the first of which has no context.</summary>
    /// <param name="text">The text to score; empty gives 0.</param>
    /// <param name="order">A lower order to score with, from the same counts; default: the model's own.</param>
    public double BitsPerByte(ReadOnlySpan<byte> text, int? order = null)
    {
        var longest = order ?? Order;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(longest, Order, nameof(order));
        ArgumentOutOfRangeException.ThrowIfNegative(longest, nameof(order));
        var (bits, history) = (0.0, 0UL);
        for (var i = 0; i < text.Length; i++)
        {
            bits -= Math.Log2(Probability(history, Math.Min(i, longest), text[i]));
            history = (history << 8) | text[i];
        }

        return text.IsEmpty ? 0 : bits / text.Length;
    }

    private double Probability(ulong history, int length, byte next)
    {
        var p = 1.0 / 256;
        for (var k = 0; k <= length; k++)
        {
            var context = ContextCounts.Last(history, k);
            var n = orders[k].Occurrences(context);
            if (n == 0)
                break;

            var t = orders[k].Followers(context);
            p = (orders[k].Occurrences(context, next) + (t * p)) / (n + t);
        }

        return p;
    }
}
