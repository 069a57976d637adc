using System.Buffers;
using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Writes named tensors as a safetensors file.</summary>
public static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>Writes <paramref name="tensors"/> to <paramref name="path"/>, replacing the file in one step.</summary>
    /// <remarks>
    /// The same tensors give the same bytes: wide element types come first, then names in ordinal order, which also
    /// aligns every tensor to its element. Tensors may lie on any device and be non-contiguous. When anything fails the
    /// old file stays whole and nothing is left beside it (<see cref="AtomicFile"/>).
    /// </remarks>
    /// <exception cref="ArgumentException">A name is reserved, an element type has no place in the format, or a tensor is null or has no
    /// values.</exception>
    public static void Save(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        Save(path, tensors, metadata, AtomicFile.Create);

    internal static void Save(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata, Func<string, Stream> create)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        foreach (var (name, tensor) in tensors)
        {
            if (name == "__metadata__")
                throw new ArgumentException("A tensor cannot be called '__metadata__': the format keeps that key for text pairs. Rename the tensor.", nameof(tensors));
            TensorCheck.CheckValues(tensor, name, nameof(SafetensorsWriter));
            if (SafetensorsTypes.Name(tensor.dtype) is null)
                throw new ArgumentException($"Tensor '{name}' has element type {tensor.dtype}; the file can hold {SafetensorsTypes.Names}. Convert it first.", nameof(tensors));
        }
        Save(path, tensors.Select(pair => new PendingTensor(pair.Key, pair.Value.dtype, pair.Value.shape, pair.Value.alias)), metadata, create);
    }

    /// <summary>Writes tensors that are made when their turn comes, one at a time.</summary>
    internal static void Save(string path, IEnumerable<PendingTensor> tensors, IReadOnlyDictionary<string, string>? metadata, Func<string, Stream>? create = null)
    {
        PendingTensor[] ordered = [.. tensors.OrderByDescending(tensor => SafetensorsTypes.Size(tensor.Type)).ThenBy(tensor => tensor.Name, StringComparer.Ordinal)];
        var header = Header(ordered, metadata);
        AtomicFile.Write(path, stream => Write(stream, header, ordered), create ?? AtomicFile.Create);
    }

    private static ReadOnlyMemory<byte> Header(PendingTensor[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            long start = 0;
            foreach (var tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", SafetensorsTypes.Name(tensor.Type));
                WriteNumbers(json, "shape", tensor.Shape);
                var end = start + (tensor.Shape.Aggregate(1L, (product, axis) => product * axis) * SafetensorsTypes.Size(tensor.Type));
                WriteNumbers(json, "data_offsets", [start, end]);
                json.WriteEndObject();
                start = end;
            }
            json.WriteEndObject();
        }
        while (buffer.WrittenCount % Alignment != 0)
            buffer.Write(" "u8);
        return buffer.WrittenMemory;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, long[] numbers)
    {
        json.WriteStartArray(name);
        foreach (var number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }

    private static void Write(Stream stream, ReadOnlyMemory<byte> header, PendingTensor[] tensors)
    {
        Span<byte> prefix = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, header.Length);
        stream.Write(prefix);
        stream.Write(header.Span);
        foreach (var tensor in tensors)
        {
            using var scope = NewDisposeScope();
            TensorBytes.Visit(tensor.Make().detach().cpu().contiguous().to(tensor.Type), (_, bytes) => stream.Write(bytes));
        }
    }
}

/// <summary>A tensor that will be written, made when its turn comes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">The type it is written in.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Make">Makes it, on any device, of any type and strides; the writer disposes it.</param>
internal sealed record PendingTensor(string Name, ScalarType Type, long[] Shape, Func<Tensor> Make);
