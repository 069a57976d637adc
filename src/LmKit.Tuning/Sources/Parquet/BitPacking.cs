namespace LmKit;

/// <summary>Numbers of any bits side by side, the lowest bit first.</summary>
internal static class BitPacking
{
    /// <summary>The number of <paramref name="width"/> bits, at most 64, that begins at a bit; the caller knows that it lies in the bytes.</summary>
    internal static ulong Read(byte[] bytes, long bit, int width)
    {
        var number = 0UL;
        for (var taken = 0; taken < width;)
        {
            var within = (int)((bit + taken) & 7);
            var count = Math.Min(8 - within, width - taken);
            number |= (((ulong)bytes[(bit + taken) >> 3] >> within) & ((1UL << count) - 1)) << taken;
            taken += count;
        }
        return number;
    }
}
