using System.Buffers.Binary;

namespace LmKit;

/// <summary>Reads the fields of a protobuf message one by one.</summary>
/// <remarks>Numbers, fixed numbers and stretches of bytes; groups are refused.</remarks>
internal ref struct ProtobufReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> rest = bytes;

    /// <summary>The field's number.</summary>
    internal int Field { get; private set; }

    /// <summary>A whole number; 0 for a field of another kind.</summary>
    internal ulong Number { get; private set; }

    /// <summary>A text, a message or bytes; for a fixed number its bytes.</summary>
    internal ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>A fixed number of four bytes.</summary>
    internal readonly float Single => Bytes.Length == 4 ? BinaryPrimitives.ReadSingleLittleEndian(Bytes) : throw new FormatException("a number has no four bytes");

    /// <summary>Goes to the next field.</summary>
    /// <exception cref="FormatException">The message is cut short or is none.</exception>
    internal bool Read()
    {
        if (rest.Length == 0)
            return false;
        var key = Whole();
        if (key >> 3 is 0 or > 0x1fffffff)
            throw new FormatException("a field has no number");
        (Field, Number) = ((int)(key >> 3), 0);
        Bytes = default;
        switch (key & 7)
        {
            case 0:
                Number = Whole();
                break;
            case 1:
                Bytes = Take(8);
                break;
            case 2:
                var length = Whole();
                Bytes = Take(length <= int.MaxValue ? (int)length : int.MaxValue);
                break;
            case 5:
                Bytes = Take(4);
                break;
            default:
                throw new FormatException("a field is of an unknown kind");
        }
        return true;
    }

    private ReadOnlySpan<byte> Take(int length)
    {
        if (length > rest.Length)
            throw new FormatException("a field is cut short");
        var taken = rest[..length];
        rest = rest[length..];
        return taken;
    }

    private ulong Whole()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Take(1)[0];
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
                return value;
        }
        throw new FormatException("a number does not end");
    }
}
