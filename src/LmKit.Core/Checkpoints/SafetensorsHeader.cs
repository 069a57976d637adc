using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The JSON header of a safetensors file, parsed strictly: keys once, types known, bytes covered exactly once.</summary>
internal sealed class SafetensorsHeader
{
    private readonly string path;
    private readonly List<SafetensorsEntry> entries = [];
    private Dictionary<string, string>? metadata;

    private SafetensorsHeader(string path) => this.path = path;

    public IReadOnlyList<SafetensorsEntry> Entries => entries;

    public IReadOnlyDictionary<string, string> Metadata => metadata ?? [];

    /// <summary>Parses the header's text for a file with <paramref name="dataLength"/> bytes behind it.</summary>
    public static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        var header = new SafetensorsHeader(path);
        if (json[0] != (byte)'{')
        {
            throw header.Fault(null, "the header does not start with '{'");
        }
        try
        {
            header.ReadAll(new Utf8JsonReader(json));
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            throw header.Fault(null, $"the header is not valid JSON of the expected form: {failure.Message}", failure);
        }
        header.CheckCover(dataLength);
        return header;
    }

    private void ReadAll(Utf8JsonReader reader)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        _ = reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!names.Add(name))
            {
                throw Fault(name, "the key stands twice in the header");
            }
            Expect(ref reader, JsonTokenType.StartObject, name, "an object");
            if (name == "__metadata__")
            {
                metadata = ReadMetadata(ref reader);
            }
            else
            {
                entries.Add(ReadEntry(ref reader, name));
            }
        }
        while (reader.Read())
        {
            // Only blanks may follow; anything else makes the reader throw.
        }
    }

    private Dictionary<string, string> ReadMetadata(ref Utf8JsonReader reader)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String, null, $"text for metadata '{key}'");
            if (!values.TryAdd(key, reader.GetString()!))
            {
                throw Fault(null, $"metadata '{key}' stands twice");
            }
        }
        return values;
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        ScalarType? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            if (key switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false })
            {
                throw Fault(name, $"'{key}' stands twice");
            }
            switch (key)
            {
                case "dtype":
                    Expect(ref reader, JsonTokenType.String, name, "a text for dtype");
                    var text = reader.GetString()!;
                    type = SafetensorsTypes.Parse(text) ?? throw Fault(name, $"dtype '{text}' is unknown; known are {SafetensorsTypes.Names}");
                    break;
                case "shape":
                    shape = ReadNumbers(ref reader, name, key);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, name, key);
                    break;
                default:
                    throw Fault(name, $"'{key}' is no key of a tensor; dtype, shape and data_offsets are");
            }
        }
        if (type is null || shape is null || offsets is null)
        {
            throw Fault(name, $"{(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")} is missing");
        }
        return Checked(name, type.Value, shape, offsets);
    }

    private SafetensorsEntry Checked(string name, ScalarType type, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2 || offsets[1] < offsets[0])
        {
            throw Fault(name, $"data_offsets [{string.Join(", ", offsets)}] are not a start and an end");
        }
        var size = (Int128)SafetensorsTypes.Size(type);
        foreach (var axis in shape)
        {
            size *= axis;
            if (size > long.MaxValue)
            {
                throw Fault(name, $"shape [{string.Join(", ", shape)}] has more bytes than a file can hold");
            }
        }
        if (size != offsets[1] - offsets[0])
        {
            throw Fault(name, $"shape [{string.Join(", ", shape)}] of {SafetensorsTypes.Name(type)} takes {size} bytes, its offsets give {offsets[1] - offsets[0]}");
        }
        return new SafetensorsEntry(name, type, shape, offsets[0], offsets[1] - offsets[0]);
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        Expect(ref reader, JsonTokenType.StartArray, name, $"a list for {key}");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
            {
                throw Fault(name, $"{key} holds something else than whole numbers from 0 to {long.MaxValue}");
            }
            numbers.Add(number);
        }
        return [.. numbers];
    }

    private void CheckCover(long dataLength)
    {
        long end = 0;
        foreach (var entry in entries.OrderBy(entry => entry.Start).ThenBy(entry => entry.ByteCount))
        {
            if (entry.Start != end)
            {
                throw Fault(entry.Name, entry.Start < end
                    ? $"its bytes start at {entry.Start}, inside another tensor that ends at {end}"
                    : $"bytes {end} to {entry.Start} before it belong to no tensor");
            }
            end = entry.Start + entry.ByteCount; // no overflow: ReadNumbers gave end as a long
            if (end > dataLength)
            {
                throw Fault(entry.Name, $"its bytes end at {end}, but the file holds only {dataLength} bytes of data; it is cut short");
            }
        }
        if (end != dataLength)
        {
            throw Fault(null, $"{dataLength - end} bytes after the last tensor belong to none");
        }
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string? name, string what)
    {
        if (!reader.Read() || reader.TokenType != type)
        {
            throw Fault(name, $"the header has {reader.TokenType} where {what} belongs");
        }
    }

    private SafetensorsException Fault(string? name, string fault, Exception? cause = null) => new(path, name, fault, cause);
}
