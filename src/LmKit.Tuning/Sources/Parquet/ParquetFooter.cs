using System.Buffers.Binary;

namespace LmKit;

/// <summary>A Parquet file's description of itself, read and checked before any data of it.</summary>
internal sealed class ParquetFooter
{
    private const int TailLength = 8;
    private const int MaxLength = 32 << 20;

    private readonly byte[] bytes;
    private readonly long dataEnd;

    private ParquetFooter(byte[] bytes, long dataEnd)
    {
        (this.bytes, this.dataEnd) = (bytes, dataEnd);
        var reader = new ThriftReader(bytes);
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            if (id == 2)
                Leaves = ParquetLeaves.Read(ref reader, reader.ReadList(field, ThriftType.Struct));
            else
                reader.Skip(field);
        }
    }

    /// <summary>The columns, in their order.</summary>
    internal IReadOnlyList<ParquetLeaf> Leaves { get; } = [];

    /// <summary>Reads a file's description.</summary>
    /// <exception cref="InvalidDataException">It is no such file.</exception>
    internal static ParquetFooter Read(FileStream file)
    {
        var length = file.Length;
        Span<byte> tail = stackalloc byte[TailLength];
        if (length < 4 + TailLength || RandomAccess.Read(file.SafeFileHandle, tail, length - TailLength) < TailLength || !tail[4..].SequenceEqual("PAR1"u8))
            throw new InvalidDataException("it does not end as Parquet files do; it is cut short, encrypted, or something else");
        var size = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (size > length - TailLength - 4 || size > MaxLength)
            throw new InvalidDataException($"it claims {size} bytes of description; at most {Math.Min(length - TailLength - 4, MaxLength)} are read");
        var bytes = new byte[size];
        if (RandomAccess.Read(file.SafeFileHandle, bytes, length - TailLength - size) < bytes.Length)
            throw new InvalidDataException("it was cut short while it was read");
        return new ParquetFooter(bytes, length - TailLength - size);
    }

    /// <summary>The row groups, each with its rows and the places of some columns.</summary>
    internal IReadOnlyList<(long RowCount, ParquetChunk[] Chunks)> RowGroups(IReadOnlyList<ParquetLeaf> columns)
    {
        var groups = new List<(long, ParquetChunk[])>();
        var reader = new ThriftReader(bytes);
        var id = 0;
        var total = 0L;
        while (reader.ReadField(ref id, out var field))
        {
            if (id != 4)
            {
                reader.Skip(field);
                continue;
            }
            var count = reader.ReadList(field, ThriftType.Struct);
            for (var index = 0; index < count; index++)
            {
                var group = ReadGroup(ref reader, columns);
                // No two of them lie on the same bytes, so together they are no longer than the file.
                total += group.Chunks.Sum(chunk => chunk.Length);
                if (total > dataEnd)
                    throw new InvalidDataException($"row group {index}: the columns of the groups so far take more bytes than the file has");
                groups.Add(group);
            }
        }
        return groups;
    }

    private (long RowCount, ParquetChunk[] Chunks) ReadGroup(ref ThriftReader reader, IReadOnlyList<ParquetLeaf> columns)
    {
        var rows = -1L;
        var chunks = new ParquetChunk?[columns.Count];
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            switch (id)
            {
                case 1:
                    var count = reader.ReadList(field, ThriftType.Struct);
                    for (var column = 0; column < count; column++)
                        ReadChunk(ref reader, column, columns, chunks);
                    break;
                case 3:
                    rows = reader.ReadLong(field);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }
        if (rows < 0)
            throw new InvalidDataException($"a row group has {rows} rows");
        ParquetChunk[] found = [.. columns.Select((leaf, place) => chunks[place] ?? throw new InvalidDataException($"a row group lacks the column '{leaf.Path}'"))];
        return found.Select(chunk => Fault(chunk, rows)).FirstOrDefault(fault => fault is not null) is { } wrong ? throw new InvalidDataException(wrong) : (rows, found);
    }

    private static void ReadChunk(ref ThriftReader reader, int column, IReadOnlyList<ParquetLeaf> columns, ParquetChunk?[] chunks)
    {
        for (var place = 0; place < columns.Count; place++)
        {
            if (columns[place].Index != column)
                continue;
            chunks[place] = ParquetChunk.Read(ref reader);
            for (var other = place + 1; other < columns.Count; other++) // the same column asked for twice
                chunks[other] = columns[other].Index == column ? chunks[place] : chunks[other];
            return;
        }
        reader.Skip(ThriftType.Struct);
    }

    private string? Fault(ParquetChunk chunk, long rows) =>
        chunk.ValueCount != rows ? $"a column has {chunk.ValueCount} values in a group of {rows} rows"
        : chunk.Length < 0 || chunk.Start < 4 || chunk.Start > dataEnd - chunk.Length ? $"a column's {chunk.Length} bytes from {chunk.Start} on do not lie in the {dataEnd} bytes of data"
        : null;
}
