namespace LmKit;

/// <summary>Where a column's values of one row group lie.</summary>
/// <param name="Start">The first byte, of the dictionary where there is one.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Codec">How pages are packed.</param>
/// <param name="ValueCount">Values, those that are null included.</param>
internal readonly record struct ParquetChunk(long Start, long Length, int Codec, long ValueCount)
{
    private const int ByteArray = 6;

    /// <summary>Reads a column chunk's description.</summary>
    internal static ParquetChunk Read(ref ThriftReader reader)
    {
        ParquetChunk? chunk = null;
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            switch (id)
            {
                case 1:
                    throw new InvalidDataException("a column lies in another file, which is not read");
                case 3:
                    ThriftReader.Expect(field, ThriftType.Struct);
                    chunk = ReadMetadata(ref reader);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }
        return chunk ?? throw new InvalidDataException("a column's place is missing, or it is encrypted");
    }

    private static ParquetChunk ReadMetadata(ref ThriftReader reader)
    {
        var (type, codec, values, length, data, dictionary) = (-1, -1, -1L, -1L, -1L, 0L);
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            switch (id)
            {
                case 1:
                    type = reader.ReadInt(field);
                    break;
                case 4:
                    codec = reader.ReadInt(field);
                    break;
                case 5:
                    values = reader.ReadLong(field);
                    break;
                case 7:
                    length = reader.ReadLong(field);
                    break;
                case 9:
                    data = reader.ReadLong(field);
                    break;
                case 11:
                    dictionary = reader.ReadLong(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }
        if (type != ByteArray)
            throw new InvalidDataException($"the column's type is {type} in a row group and {ByteArray} in the schema");
        // Some writers leave a 0 where there is no dictionary.
        return new ParquetChunk(dictionary > 0 && dictionary < data ? dictionary : data, length, codec, values);
    }
}
