using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>Writes float32 tensors as a GGUF file, version 3, the format that llama.cpp reads (ggml-org/ggml, docs/gguf.md).</summary>
/// <remarks>Magic, version, the counts of tensors and of metadata; the metadata; name, axes, type and offset of each tensor; then the
/// tensors, each at a multiple of <see cref="Alignment"/> behind the end of the header, which is filled up to one too. All numbers are
/// little-endian.</remarks>
internal static class GgufFile
{
    internal const int Alignment = 32;   // the format's default, for files that do not say otherwise
    internal const uint Magic = 0x46554747;   // GGUF
    internal const uint Version = 3;
    private const uint float32 = 0;

    /// <summary>Writes the file; a tensor's axes are given in torch's order, the slowest first.</summary>
    internal static void Write(string path, IReadOnlyList<(string Key, GgufValue Value)> metadata, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach (var (key, value) in metadata)
        {
            GgufValue.WriteText(writer, key);
            writer.Write(value.Type);
            value.Write(writer);
        }

        var offset = 0L;
        foreach (var (name, tensor) in tensors)
        {
            GgufValue.WriteText(writer, name);
            writer.Write((uint)tensor.dim());
            foreach (var size in tensor.shape.Reverse())   // the file names the fastest axis first
            {
                writer.Write((ulong)size);
            }

            writer.Write(float32);
            writer.Write((ulong)offset);
            offset += Aligned(tensor.numel() * sizeof(float));
        }

        foreach (var (_, tensor) in tensors)
        {
            Fill(writer);
            WriteNumbers(writer.BaseStream, tensor);
        }

        Fill(writer);
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Fill(BinaryWriter writer)
    {
        writer.Flush();
        writer.Write(new byte[Aligned(writer.BaseStream.Position) - writer.BaseStream.Position]);
        writer.Flush();
    }

    private static void WriteNumbers(Stream stream, Tensor tensor)
    {
        using var plain = tensor.detach().to(ScalarType.Float32).cpu().contiguous();
        stream.Write(plain.bytes);
    }
}
