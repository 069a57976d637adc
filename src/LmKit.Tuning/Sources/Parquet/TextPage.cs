using System.Buffers.Binary;

namespace LmKit;

/// <summary>The texts of a page as bytes, one after another, in any of the encodings that Parquet has for them.</summary>
internal sealed class TextPage
{
    private const int Plain = 0;
    private const int PlainDictionary = 2;
    private const int DeltaLength = 6;
    private const int Delta = 7;
    private const int RunsOfDictionary = 8;

    private byte[] page = [];
    private byte[] dictionary = [];
    private int[] entries = [];
    private int at;
    private int end;
    private int encoding;
    private RunLengths places;
    private DeltaNumbers lengths;
    private DeltaNumbers prefixes;
    private byte[] text = [];
    private int textLength;

    /// <summary>Goes to a page's values.</summary>
    internal void Begin(byte[] bytes, int start, int stop, int by, int count, byte[] dictionaryBytes, int[] dictionaryEntries)
    {
        (page, at, end, encoding, dictionary, entries, textLength) = (bytes, start, stop, by, dictionaryBytes, dictionaryEntries, 0);
        switch (by)
        {
            case Plain:
                break;
            case PlainDictionary or RunsOfDictionary:
                // A page of nulls has no values, and need not say their width.
                var width = start < stop ? bytes[start] : 0;
                if (width > 32)
                    throw new InvalidDataException($"a page's numbers have {width} bits");
                places = new RunLengths(bytes, Math.Min(start + 1, stop), stop, width);
                break;
            case DeltaLength or Delta when start == stop:
                (lengths, prefixes) = (default, default);
                break;
            case DeltaLength:
                at = Read(out lengths, start, count);
                break;
            case Delta:
                at = Read(out prefixes, start, count);
                at = Read(out lengths, at, count);
                break;
            default:
                throw new InvalidDataException($"a page has encoding {by}; PLAIN, dictionaries and both DELTA forms are read");
        }
    }

    /// <summary>The next text; with its place in the dictionary, or -1.</summary>
    internal ReadOnlySpan<byte> Next(out int place)
    {
        place = -1;
        switch (encoding)
        {
            case Plain:
                var start = at + 4;
                at = EndOfPlain(page, at, end);
                return page.AsSpan(start, at - start);
            case PlainDictionary or RunsOfDictionary:
                var index = places.Next();
                if (index >= entries.Length - 1)
                    throw new InvalidDataException($"a value is number {index} of a dictionary of {Math.Max(0, entries.Length - 1)}");
                place = (int)index;
                return dictionary.AsSpan(entries[place] + 4, entries[place + 1] - entries[place] - 4);
            case DeltaLength:
                return Take(lengths.Next());
            default:
                return Join(prefixes.Next(), Take(lengths.Next()));
        }
    }

    /// <summary>Where a text with its length before it ends.</summary>
    internal static int EndOfPlain(byte[] bytes, int start, int end)
    {
        var length = end - start >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(start)) : -1;
        return length >= 0 && length <= end - start - 4 ? start + 4 + length : throw new InvalidDataException("a text goes beyond its page");
    }

    private int Read(out DeltaNumbers numbers, int start, int count)
    {
        numbers = new DeltaNumbers(page, start, end);
        if (numbers.Left > count)
            throw new InvalidDataException($"a page of {count} values claims {numbers.Left} lengths");
        var whole = numbers;
        return whole.SkipAll();
    }

    private ReadOnlySpan<byte> Take(long length)
    {
        if (length < 0 || length > end - at)
            throw new InvalidDataException("a text goes beyond its page");
        var taken = page.AsSpan(at, (int)length);
        at += taken.Length;
        return taken;
    }

    // The beginning of the text before, and an end of its own.
    private ReadOnlySpan<byte> Join(long prefix, ReadOnlySpan<byte> suffix)
    {
        if (prefix < 0 || prefix > textLength)
            throw new InvalidDataException($"a text takes {prefix} bytes of one of {textLength}");
        textLength = checked((int)prefix + suffix.Length);
        if (textLength > text.Length)
        {
            if (textLength > FileDocumentSource.MaxDocumentBytes)
                throw new InvalidDataException($"a text of {textLength} bytes is pieced together of others; at most {FileDocumentSource.MaxDocumentBytes} are");
            Array.Resize(ref text, Math.Max(textLength, Math.Min(2 * text.Length, FileDocumentSource.MaxDocumentBytes)));
        }
        suffix.CopyTo(text.AsSpan((int)prefix));
        return text.AsSpan(0, textLength);
    }
}
