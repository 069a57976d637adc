namespace LmKit;

/// <summary>Numbers of Parquet's hybrid of run lengths and bit packing, one after another.</summary>
/// <param name="bytes">Holds them.</param>
/// <param name="start">Where they begin.</param>
/// <param name="end">Where they end at the latest.</param>
/// <param name="width">Bits of each, 0 to 32.</param>
internal struct RunLengths(byte[] bytes, int start, int end, int width)
{
    private int at = start;
    private long left;
    private long bit;
    private bool isPacked;
    private uint value;

    /// <summary>The next number.</summary>
    internal uint Next()
    {
        if (left == 0)
            Begin();
        left--;
        return isPacked ? Unpack() : value;
    }

    private void Begin()
    {
        var head = 0UL;
        for (var shift = 0; ; shift += 7)
        {
            if (at >= end || shift > 28)
                throw new InvalidDataException("a page's numbers end too early");
            var part = bytes[at++];
            head |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                break;
        }
        isPacked = (head & 1) != 0;
        left = (long)(head >> 1);
        if (left == 0)
            throw new InvalidDataException("a page has a run of no numbers");
        if (isPacked)
        {
            left *= 8;
            bit = 8L * at;
            at = (int)Math.Min(end, at + (left * width / 8));
            return;
        }
        value = 0;
        for (var part = 0; part < (width + 7) / 8; part++)
            value |= (uint)(at < end ? bytes[at++] : throw new InvalidDataException("a page's numbers end too early")) << (8 * part);
        if (width < 32 && value >> width != 0)
            throw new InvalidDataException($"a page repeats {value}, a number of more than {width} bits");
    }

    private uint Unpack()
    {
        if (bit + width > 8L * end)
            throw new InvalidDataException("a page's numbers end too early");
        var number = BitPacking.Read(bytes, bit, width);
        bit += width;
        return (uint)number;
    }
}

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
