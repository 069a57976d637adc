namespace LmKit;

/// <summary>Numbers of Parquet's DELTA_BINARY_PACKED encoding, one after another.</summary>
internal struct DeltaNumbers
{
    private readonly byte[] bytes;
    private readonly int end;
    private readonly int blockLength;
    private readonly int miniLength;
    private int at;
    private long left;
    private long value;
    private long minimum;
    private int widths; // where the widths of the block stand
    private int inBlock;
    private int inMini;
    private int width;
    private long bit;
    private bool isFirst = true;

    internal DeltaNumbers(byte[] bytes, int start, int end)
    {
        (this.bytes, at, this.end) = (bytes, start, end);
        var (block, minis) = (Varint(), Varint());
        left = (long)Math.Min(Varint(), long.MaxValue);
        value = Zigzag();
        if (block is 0 or > 1 << 20 || minis is 0 or > 1 << 10 || block % minis != 0 || block / minis % 8 != 0)
            throw new InvalidDataException($"a page has blocks of {block} numbers in {minis} parts");
        (blockLength, miniLength) = ((int)block, (int)(block / minis));
        (inBlock, inMini) = (blockLength, miniLength);
    }

    /// <summary>Numbers that are still to come.</summary>
    internal readonly long Left => left;

    /// <summary>Passes over the rest; where the bytes behind the numbers begin.</summary>
    internal int SkipAll()
    {
        while (left > 0)
            _ = Next();
        return at;
    }

    /// <summary>The next number.</summary>
    internal long Next()
    {
        if (left-- <= 0)
            throw new InvalidDataException("a page has fewer numbers than values");
        if (isFirst)
        {
            isFirst = false;
            return value;
        }
        if (inBlock == blockLength)
            BeginBlock();
        if (inMini == miniLength)
            BeginMini();
        value = unchecked(value + minimum + (long)BitPacking.Read(bytes, bit, width));
        bit += width;
        (inBlock, inMini) = (inBlock + 1, inMini + 1);
        return value;
    }

    private void BeginBlock()
    {
        minimum = Zigzag();
        widths = at;
        at += blockLength / miniLength;
        if (at > end)
            throw new InvalidDataException("a page's numbers end too early");
        (inBlock, inMini) = (0, miniLength);
    }

    private void BeginMini()
    {
        width = bytes[widths + (inBlock / miniLength)];
        var length = (long)width * miniLength / 8;
        if (width > 64 || length > end - at)
            throw new InvalidDataException($"a page's numbers of {width} bits end too early");
        (bit, inMini) = (8L * at, 0);
        at += (int)length;
    }

    private long Zigzag()
    {
        var number = Varint();
        return (long)(number >> 1) ^ -(long)(number & 1);
    }

    private ulong Varint()
    {
        var number = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (at >= end)
                break;
            var part = bytes[at++];
            number |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return number;
        }
        throw new InvalidDataException("a page's numbers end too early");
    }
}
