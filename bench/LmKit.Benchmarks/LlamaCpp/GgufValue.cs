using System.Text;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>A value of a GGUF file's metadata: its type's number in the format and how it is written.</summary>
internal sealed class GgufValue
{
    private readonly Action<BinaryWriter> write;

    private GgufValue(uint type, Action<BinaryWriter> write) => (Type, this.write) = (type, write);

    internal uint Type { get; }

    public static implicit operator GgufValue(uint number) => new(4, writer => writer.Write(number));

    public static implicit operator GgufValue(float number) => new(6, writer => writer.Write(number));

    public static implicit operator GgufValue(string text) => new(8, writer => WriteText(writer, text));

    internal void Write(BinaryWriter writer) => write(writer);

    /// <summary>A string as the format holds them: the number of its bytes, then the bytes in UTF-8.</summary>
    internal static void WriteText(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
