using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace LmKit;

/// <summary>The texts of one column in one row group, one after another, with one page in memory.</summary>
internal sealed class ParquetColumn(SafeFileHandle file, ParquetLeaf leaf, ParquetBudget budget)
{
    private const int LevelsAsRuns = 3;
    private const int MaxHeaderLength = 16 << 20;

    private ParquetChunk chunk;
    private long at;
    private long valuesLeft;
    private byte[] packed = [];
    private byte[] page = [];
    private byte[] dictionary = [];
    private int[] entries = [];
    private int pageLeft;
    private bool hasLevels;
    private RunLengths levels;
    private readonly TextPage texts = new();
    private (int Place, string? Text) last = (-1, null);

    /// <summary>Goes to a row group.</summary>
    internal void Begin(ParquetChunk next)
    {
        (chunk, at, valuesLeft, pageLeft, entries) = (next, next.Start, next.ValueCount, 0, []);
        last = (-1, null);
    }

    /// <summary>The next row's text: null where it is null, and where it is longer than a limit, which is then told.</summary>
    internal string? Next(int longest, out bool isTooLong)
    {
        isTooLong = false;
        while (pageLeft == 0)
            BeginPage();
        pageLeft--;
        if (hasLevels)
        {
            var level = levels.Next();
            if (level > leaf.MaxDefinition)
                throw new InvalidDataException($"a definition level is {level}; the column has 0 to {leaf.MaxDefinition}");
            if (level < leaf.MaxDefinition)
                return null;
        }
        var bytes = texts.Next(out var place);
        isTooLong = bytes.Length > longest;
        if (isTooLong)
            return null;
        if (place >= 0 && place == last.Place)
            return last.Text;
        budget.TakeText(bytes.Length);
        var text = Encoding.UTF8.GetString(bytes);
        last = (place, text);
        return text;
    }

    private void BeginPage()
    {
        if (valuesLeft == 0 || at >= chunk.Start + chunk.Length)
            throw new InvalidDataException($"its pages end while {valuesLeft} rows have no value");
        var header = ReadHeader(out var length);
        at += length;
        if (header.PackedLength > chunk.Start + chunk.Length - at)
            throw new InvalidDataException($"a page of {header.PackedLength} bytes goes beyond its column");
        switch (header.Kind)
        {
            case ParquetPage.Dictionary:
                ReadDictionary(header);
                break;
            case ParquetPage.Data or ParquetPage.DataV2:
                if (header.ValueCount > valuesLeft)
                    throw new InvalidDataException($"a page claims {header.ValueCount} values where {valuesLeft} rows are left");
                ReadData(header);
                (valuesLeft, pageLeft) = (valuesLeft - header.ValueCount, header.ValueCount);
                break;
            default:
                break; // an index, or what later versions add
        }
        at += header.PackedLength;
    }

    // A header is some fifty bytes, unless statistics with long texts stand in it.
    private ParquetPage ReadHeader(out int length)
    {
        for (var window = 1 << 10; ; window <<= 4)
        {
            var size = (int)Math.Min(Math.Min(window, MaxHeaderLength), chunk.Start + chunk.Length - at);
            packed = budget.Hold(packed, size);
            Fill(packed.AsSpan(0, size), at);
            try
            {
                return ParquetPage.Read(packed.AsSpan(0, size), out length);
            }
            catch (EndOfStreamException) when (size == window)
            {
            }
            catch (InvalidDataException) when (size == window && window < MaxHeaderLength)
            {
                // A length that goes beyond the window looks like one beyond all bytes.
            }
        }
    }

    private void ReadDictionary(ParquetPage header)
    {
        if (header.Encoding is not (0 or 2))
            throw new InvalidDataException($"its dictionary has encoding {header.Encoding}; PLAIN is read");
        dictionary = budget.Hold(dictionary, header.Length);
        Unpack(header, dictionary, 0, 0, isPacked: true);
        if (header.ValueCount > header.Length / 4)
            throw new InvalidDataException($"its dictionary of {header.Length} bytes claims {header.ValueCount} texts");
        budget.TakeBytes(4L * header.ValueCount);
        entries = new int[header.ValueCount + 1];
        var end = 0;
        for (var index = 0; index < header.ValueCount; index++)
        {
            entries[index] = end;
            end = TextPage.EndOfPlain(dictionary, end, header.Length);
        }
        entries[^1] = end;
        last = (-1, null);
    }

    private void ReadData(ParquetPage header)
    {
        page = budget.Hold(page, header.Length);
        var isV2 = header.Kind == ParquetPage.DataV2;
        var levelsLength = isV2 ? header.RepetitionLength + header.DefinitionLength : 0;
        Unpack(header, page, levelsLength, levelsLength, !isV2 || header.IsPacked);
        var start = levelsLength;
        hasLevels = leaf.MaxDefinition > 0;
        var bits = BitOperations.Log2((uint)leaf.MaxDefinition) + 1;
        if (hasLevels && isV2)
        {
            levels = new RunLengths(page, header.RepetitionLength, levelsLength, bits);
        }
        else if (hasLevels)
        {
            var count = header.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(page) : uint.MaxValue;
            if (header.LevelEncoding != LevelsAsRuns || count > header.Length - 4)
                throw new InvalidDataException($"a page of {header.Length} bytes claims {count} bytes of levels in encoding {header.LevelEncoding}");
            start = 4 + (int)count;
            levels = new RunLengths(page, 4, start, bits);
        }
        texts.Begin(page, start, header.Length, header.Encoding, header.ValueCount, dictionary, entries);
        if (header.Encoding is not (2 or 8))
            last = (-1, null);
    }

    // The levels of a second-version page stand unpacked before the rest.
    private void Unpack(ParquetPage header, byte[] into, int unpackedStart, int packedStart, bool isPacked)
    {
        budget.TakeBytes(header.Length);
        packed = budget.Hold(packed, header.PackedLength);
        Fill(into.AsSpan(0, unpackedStart), at);
        var length = header.PackedLength - packedStart;
        Fill(packed.AsSpan(0, length), at + packedStart);
        ParquetCodec.Unpack(isPacked ? chunk.Codec : 0, packed, length, into.AsSpan(unpackedStart, header.Length - unpackedStart));
    }

    private void Fill(Span<byte> into, long from)
    {
        while (!into.IsEmpty)
        {
            var count = RandomAccess.Read(file, into, from);
            if (count == 0)
                throw new EndOfStreamException("the file was cut short while it was read");
            into = into[count..];
            from += count;
        }
    }
}
