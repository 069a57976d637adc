using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The JSON header of a safetensors file, parsed strictly: keys once, bytes covered exactly once.</summary>
internal sealed class SafetensorsHeader
{
    // As many as libtorch's own tensors have at most.
    private const int MaxAxes = 64;

    // Far beyond any real file; each takes several times its bytes in the header here.
    private const int MaxTensors = 1 << 19;
    private const int MaxMetadata = 1 << 16;

    private readonly string path;
    private readonly List<SafetensorsEntry> entries = [];
    private readonly Dictionary<string, SafetensorsEntry> named = new(StringComparer.Ordinal);
    private Dictionary<string, string>? metadata;

    private SafetensorsHeader(string path) => this.path = path;

    internal IReadOnlyList<SafetensorsEntry> Entries => entries;

    internal IReadOnlyDictionary<string, SafetensorsEntry> Named => named;

    internal IReadOnlyDictionary<string, string> Metadata => metadata ?? [];

    /// <summary>Parses the header's text for a file with <paramref name="dataLength"/> bytes behind it.</summary>
    internal static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long dataLength)
    {
        var header = new SafetensorsHeader(path);
        if (json[0] != (byte)'{')
            throw header.Fault(null, "the header does not start with '{'");
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
        var hasMetadata = false;
        _ = reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            var isMetadata = name == "__metadata__";
            if (isMetadata ? hasMetadata : named.ContainsKey(name))
                throw Fault(name, "the key stands twice in the header");
            if (isMetadata)
            {
                hasMetadata = true;
                metadata = ReadMetadata(ref reader);
                continue;
            }
            Expect(ref reader, JsonTokenType.StartObject, name, "an object");
            var entry = ReadEntry(ref reader, name);
            entries.Add(entry);
            named.Add(name, entry);
            if (entries.Count > MaxTensors)
                throw Fault(null, $"the header names more than {MaxTensors} tensors");
        }
        while (reader.Read())
        {
            // Only blanks may follow; anything else makes the reader throw.
        }
    }

    private Dictionary<string, string>? ReadMetadata(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.Null))
            throw Fault("__metadata__", $"the header has {reader.TokenType} where an object or null belongs");
        if (reader.TokenType == JsonTokenType.Null)
            return null;
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String, null, $"text for metadata '{SafetensorsException.Shown(key)}'");
            if (!values.TryAdd(key, reader.GetString()!))
                throw Fault(null, $"metadata '{SafetensorsException.Shown(key)}' stands twice");
            if (values.Count > MaxMetadata)
                throw Fault(null, $"the header has more than {MaxMetadata} texts of metadata");
        }
        return values;
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            if (key switch { "dtype" => type is not null, "shape" => shape is not null, "data_offsets" => offsets is not null, _ => false })
                throw Fault(name, $"'{key}' stands twice");
            switch (key)
            {
                case "dtype":
                    Expect(ref reader, JsonTokenType.String, name, "a text for dtype");
                    type = reader.GetString()!;
                    break;
                case "shape":
                    shape = ReadNumbers(ref reader, name, key);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, name, key);
                    break;
                default:
                    throw Fault(name, $"'{SafetensorsException.Shown(key)}' is no key of a tensor; dtype, shape and data_offsets are");
            }
        }
        if (type is null || shape is null || offsets is null)
            throw Fault(name, $"{(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")} is missing");
        return Checked(name, type, shape, offsets);
    }

    // A type that nobody has told us of has no size to compare; its bytes are still its own, and the other tensors can be read.
    private SafetensorsEntry Checked(string name, string dtype, long[] shape, long[] offsets)
    {
        if (offsets.Length != 2 || offsets[1] < offsets[0])
            throw Fault(name, $"data_offsets [{string.Join(", ", offsets)}] are not a start and an end");
        var bits = (Int128)(SafetensorsTypes.Bits(dtype) ?? 0);
        foreach (var axis in shape)
        {
            bits *= axis;
            if (bits > (Int128)long.MaxValue * 8)
                throw Fault(name, $"shape [{string.Join(", ", shape)}] has more bytes than a file can hold");
        }
        if (SafetensorsTypes.Bits(dtype) is not null && bits != (Int128)(offsets[1] - offsets[0]) * 8)
            throw Fault(name, $"shape [{string.Join(", ", shape)}] of {dtype} takes {(bits % 8 == 0 ? $"{bits / 8} bytes" : $"{bits} bits, no whole number of bytes")}, its offsets give {offsets[1] - offsets[0]}");
        var type = SafetensorsTypes.Parse(dtype);
        return new SafetensorsEntry(name, type ?? SafetensorsTypes.None, shape, offsets[0], offsets[1] - offsets[0]) { Dtype = type is { } known ? SafetensorsTypes.Name(known)! : dtype };
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        Expect(ref reader, JsonTokenType.StartArray, name, $"a list for {key}");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var number) || number < 0)
                throw Fault(name, $"{key} holds something else than whole numbers from 0 to {long.MaxValue}");
            numbers.Add(number);
            if (numbers.Count > MaxAxes)
                throw Fault(name, $"{key} has more than {MaxAxes} numbers");
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
                throw Fault(entry.Name, $"its bytes end at {end}, but the file holds only {dataLength} bytes of data; it is cut short; fetch it again, or save it again where it was made{UnfinishedDownload.Beside(path)}");
        }
        if (end != dataLength)
            throw Fault(null, $"{dataLength - end} bytes after the last tensor belong to none");
    }

    private void Expect(ref Utf8JsonReader reader, JsonTokenType type, string? name, string what)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw Fault(name, $"the header has {reader.TokenType} where {what} belongs");
    }

    private SafetensorsException Fault(string? name, string fault, Exception? cause = null) => new(path, name, fault, cause);
}
