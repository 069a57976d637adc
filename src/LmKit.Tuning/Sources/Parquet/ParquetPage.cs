namespace LmKit;

/// <summary>A page's header.</summary>
internal readonly record struct ParquetPage
{
    internal const int Data = 0;
    internal const int Dictionary = 2;
    internal const int DataV2 = 3;

    /// <summary>What the page is.</summary>
    internal int Kind { get; private init; }

    /// <summary>Its bytes once unpacked.</summary>
    internal int Length { get; private init; }

    /// <summary>Its bytes in the file.</summary>
    internal int PackedLength { get; private init; }

    /// <summary>Values, those that are null included.</summary>
    internal int ValueCount { get; private init; }

    /// <summary>How values are written.</summary>
    internal int Encoding { get; private init; }

    /// <summary>How the levels of a first-version page are written.</summary>
    internal int LevelEncoding { get; private init; }

    /// <summary>Bytes of repetition levels that stand first in a second-version page, never packed.</summary>
    internal int RepetitionLength { get; private init; }

    /// <summary>Bytes of definition levels that follow them.</summary>
    internal int DefinitionLength { get; private init; }

    /// <summary>Whether the values of a second-version page are packed.</summary>
    internal bool IsPacked { get; private init; }

    /// <summary>Reads a header; a <see cref="EndOfStreamException"/> says that it goes on behind the bytes.</summary>
    internal static ParquetPage Read(ReadOnlySpan<byte> bytes, out int headerLength)
    {
        var reader = new ThriftReader(bytes);
        var page = new ParquetPage { Kind = -1, Length = -1, PackedLength = -1, ValueCount = -1, IsPacked = true };
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            switch (id)
            {
                case 1:
                    page = page with { Kind = reader.ReadInt(field) };
                    break;
                case 2:
                    page = page with { Length = reader.ReadInt(field) };
                    break;
                case 3:
                    page = page with { PackedLength = reader.ReadInt(field) };
                    break;
                case 5 or 7 or 8:
                    ThriftReader.Expect(field, ThriftType.Struct);
                    page = page.WithKind(ref reader, id);
                    break;
                default:
                    reader.Skip(field);
                    break;
            }
        }
        headerLength = reader.Position;
        if (page.Length < 0 || page.PackedLength < 0 || (page.Kind is Data or Dictionary or DataV2 && page.ValueCount < 0))
            throw new InvalidDataException($"a page claims {page.Length} bytes, {page.PackedLength} packed, and {page.ValueCount} values");
        if (page.RepetitionLength < 0 || page.DefinitionLength < 0 || (long)page.RepetitionLength + page.DefinitionLength > Math.Min(page.Length, page.PackedLength))
            throw new InvalidDataException($"a page of {page.Length} bytes claims {page.RepetitionLength} and {page.DefinitionLength} bytes of levels");
        return page;
    }

    private ParquetPage WithKind(ref ThriftReader reader, int kind)
    {
        var page = this;
        var isV2 = kind == 8;
        var id = 0;
        while (reader.ReadField(ref id, out var field))
        {
            page = (id, isV2) switch
            {
                (1, _) => page with { ValueCount = reader.ReadInt(field) },
                (2, false) or (4, true) => page with { Encoding = reader.ReadInt(field) },
                (3, false) when kind == 5 => page with { LevelEncoding = reader.ReadInt(field) },
                (5, true) => page with { DefinitionLength = reader.ReadInt(field) },
                (6, true) => page with { RepetitionLength = reader.ReadInt(field) },
                (7, true) => page with { IsPacked = ThriftReader.ReadBool(field) },
                _ => Skipped(ref reader, field, page),
            };
        }
        return page;
    }

    private static ParquetPage Skipped(ref ThriftReader reader, ThriftType field, ParquetPage page)
    {
        reader.Skip(field);
        return page;
    }
}
