namespace LmKit;

/// <summary>Reads Thrift's compact protocol, in which Parquet describes itself, out of bytes that anybody may have written.</summary>
/// <remarks>Nothing is allocated for what the bytes claim, and every step takes at least one byte, so the work is bounded by their number.
/// Faults are <see cref="InvalidDataException"/>.</remarks>
internal ref struct ThriftReader(ReadOnlySpan<byte> bytes)
{
    private const int MaxDepth = 32;

    private readonly ReadOnlySpan<byte> bytes = bytes;

    /// <summary>Bytes read so far.</summary>
    internal int Position { get; private set; }

    /// <summary>The next field of a struct; false at the struct's end.</summary>
    /// <param name="id">The field's number; holds the one before, 0 at first.</param>
    /// <param name="type">What it holds.</param>
    internal bool ReadField(ref int id, out ThriftType type)
    {
        var head = Byte();
        type = (ThriftType)(head & 0x0F);
        if (head == 0)
            return false;
        id = head >> 4 is var step and > 0 ? id + step : checked((int)Zigzag());
        return type is >= ThriftType.True and <= ThriftType.Struct ? true : throw new InvalidDataException($"its description has a field of type {(int)type}, which there is not");
    }

    /// <summary>How many entries of which type a list has.</summary>
    internal int ReadList(ThriftType type, ThriftType entries)
    {
        Expect(type, ThriftType.List);
        var (found, count) = ListHead();
        return found == entries || count == 0 ? count : throw new InvalidDataException($"its description has a list of {found} where {entries} belongs");
    }

    /// <summary>A whole number of 32 bits.</summary>
    internal int ReadInt(ThriftType type)
    {
        Expect(type, ThriftType.Int32);
        return Zigzag() is var value and >= int.MinValue and <= int.MaxValue ? (int)value : throw new InvalidDataException("its description has a number beyond 32 bits");
    }

    /// <summary>A whole number of 64 bits.</summary>
    internal long ReadLong(ThriftType type)
    {
        Expect(type, ThriftType.Int64);
        return Zigzag();
    }

    /// <summary>A truth value, which a field's type says.</summary>
    internal static bool ReadBool(ThriftType type) => type switch
    {
        ThriftType.True => true,
        ThriftType.False => false,
        _ => throw new InvalidDataException($"its description has {type} where a truth value belongs"),
    };

    /// <summary>Bytes of a text.</summary>
    internal ReadOnlySpan<byte> ReadBinary(ThriftType type)
    {
        Expect(type, ThriftType.Binary);
        return Take(Varint());
    }

    /// <summary>Passes over a value.</summary>
    internal void Skip(ThriftType type) => Skip(type, 0);

    internal static void Expect(ThriftType found, ThriftType wanted)
    {
        if (found != wanted)
            throw new InvalidDataException($"its description has {found} where {wanted} belongs");
    }

    private void Skip(ThriftType type, int depth)
    {
        if (depth > MaxDepth)
            throw new InvalidDataException($"its description is nested deeper than {MaxDepth}");
        switch (type)
        {
            case ThriftType.True or ThriftType.False:
                break;
            case ThriftType.Byte:
                _ = Byte();
                break;
            case ThriftType.Int16 or ThriftType.Int32 or ThriftType.Int64:
                _ = Varint();
                break;
            case ThriftType.Double:
                _ = Take(8);
                break;
            case ThriftType.Binary:
                _ = Take(Varint());
                break;
            case ThriftType.List or ThriftType.Set:
                var (entry, count) = ListHead();
                for (var index = 0; index < count; index++)
                    SkipEntry(entry, depth + 1);
                break;
            case ThriftType.Map:
                SkipMap(depth + 1);
                break;
            default:
                var id = 0;
                while (ReadField(ref id, out var field))
                    Skip(field, depth + 1);
                break;
        }
    }

    // A truth value stands in a byte of its own where no field's type says it.
    private void SkipEntry(ThriftType type, int depth)
    {
        if (type is ThriftType.True or ThriftType.False)
            _ = Byte();
        else
            Skip(type, depth);
    }

    private void SkipMap(int depth)
    {
        var count = Count(Varint());
        if (count == 0)
            return;
        var types = Byte();
        for (var index = 0; index < count; index++)
        {
            SkipEntry(Entry(types >> 4), depth);
            SkipEntry(Entry(types & 0x0F), depth);
        }
    }

    private (ThriftType Type, int Count) ListHead()
    {
        var head = Byte();
        var type = head & 0x0F;
        var count = head >> 4 is var few and < 15 ? few : Count(Varint());
        return (Entry(type), count);
    }

    private static ThriftType Entry(int type) =>
        type is >= (int)ThriftType.True and <= (int)ThriftType.Struct ? (ThriftType)type : throw new InvalidDataException($"its description has a list of type {type}, which there is not");

    // An entry takes a byte at least.
    private readonly int Count(ulong count) =>
        count <= (ulong)(bytes.Length - Position) ? (int)count : throw new InvalidDataException($"its description claims {count} entries in {bytes.Length - Position} bytes");

    private ReadOnlySpan<byte> Take(ulong length)
    {
        var taken = bytes.Slice(Position, Count(length));
        Position += taken.Length;
        return taken;
    }

    private byte Byte() => Position < bytes.Length ? bytes[Position++] : throw new EndOfStreamException("its description ends too early");

    private long Zigzag()
    {
        var value = Varint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private ulong Varint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }
        throw new InvalidDataException("its description has a number of more than ten bytes");
    }
}

/// <summary>The types of Thrift's compact protocol, by their numbers in it.</summary>
internal enum ThriftType
{
    /// <summary>Ends a struct.</summary>
    Stop,

    /// <summary>A field that is true.</summary>
    True,

    /// <summary>A field that is false.</summary>
    False,

    /// <summary>8 bits.</summary>
    Byte,

    /// <summary>16 bits.</summary>
    Int16,

    /// <summary>32 bits.</summary>
    Int32,

    /// <summary>64 bits.</summary>
    Int64,

    /// <summary>A floating number of 64 bits.</summary>
    Double,

    /// <summary>Bytes or a text.</summary>
    Binary,

    /// <summary>A list.</summary>
    List,

    /// <summary>A set.</summary>
    Set,

    /// <summary>A map.</summary>
    Map,

    /// <summary>Fields up to a stop.</summary>
    Struct,
}
