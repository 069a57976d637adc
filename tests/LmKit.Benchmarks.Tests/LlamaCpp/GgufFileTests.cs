using System.Text;
using LmKit.Benchmarks.LlamaCpp;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests.LlamaCpp;

[NoTensorLeak]
public sealed class GgufFileTests : IDisposable
{
    private readonly string path = Path.GetTempFileName();

    public GgufFileTests() => LibTorch.EnsureLoaded();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void What_is_written_is_read_back_field_by_field()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (arange(6, dtype: ScalarType.Float32).view(2, 3), tensor(new[] { -1.5f }));

        GgufFile.Write(path, [("count", 7u), ("name", "llama \u00e9"), ("eps", 0.5f)], [("a.weight", a), ("b.weight", b)]);

        using var reader = new BinaryReader(File.OpenRead(path));
        Assert.Equal("GGUF"u8, reader.ReadBytes(4));
        Assert.Equal(3u, reader.ReadUInt32());
        Assert.Equal((2ul, 3ul), (reader.ReadUInt64(), reader.ReadUInt64()));
        Assert.Equal(("count", 4u, 7u), (Text(reader), reader.ReadUInt32(), reader.ReadUInt32()));
        Assert.Equal(("name", 8u, "llama \u00e9"), (Text(reader), reader.ReadUInt32(), Text(reader)));
        Assert.Equal(("eps", 6u, 0.5f), (Text(reader), reader.ReadUInt32(), reader.ReadSingle()));
        Assert.Equal(("a.weight", 2u, 3ul, 2ul), (Text(reader), reader.ReadUInt32(), reader.ReadUInt64(), reader.ReadUInt64()));   // the fastest axis first
        Assert.Equal((0u, 0ul), (reader.ReadUInt32(), reader.ReadUInt64()));
        Assert.Equal(("b.weight", 1u, 1ul), (Text(reader), reader.ReadUInt32(), reader.ReadUInt64()));
        Assert.Equal((0u, 32ul), (reader.ReadUInt32(), reader.ReadUInt64()));   // 24 bytes, then filled up
        var start = (reader.BaseStream.Position + 31) / 32 * 32;
        Assert.Equal([0f, 1, 2, 3, 4, 5], Numbers(reader, start, 6));
        Assert.Equal([-1.5f], Numbers(reader, start + 32, 1));
        Assert.Equal(start + 64, reader.BaseStream.Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(9)]
    public void Every_tensor_starts_at_a_multiple_of_the_alignment(int size)
    {
        using var scope = NewDisposeScope();

        GgufFile.Write(path, [], [("a", ones(size)), ("b", ones(size) * 2)]);

        var bytes = File.ReadAllBytes(path);
        Assert.Equal(0, bytes.Length % GgufFile.Alignment);
        var second = bytes.Length - (size * sizeof(float) + 31) / 32 * 32;
        Assert.Equal(2f, BitConverter.ToSingle(bytes, second));
        Assert.NotEqual(2f, BitConverter.ToSingle(bytes, second - 32));
    }

    [Fact]
    public void A_transposed_or_half_precise_tensor_is_written_as_it_is_read()
    {
        using var scope = NewDisposeScope();
        var numbers = arange(4, dtype: ScalarType.Float32).view(2, 2);

        GgufFile.Write(path, [], [("a", numbers.t().to(ScalarType.BFloat16))]);

        var bytes = File.ReadAllBytes(path);
        Assert.Equal([0f, 2, 1, 3], Enumerable.Range(0, 4).Select(at => BitConverter.ToSingle(bytes, bytes.Length - 32 + 4 * at)));
    }

    private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));

    private static float[] Numbers(BinaryReader reader, long at, int count)
    {
        reader.BaseStream.Position = at;
        return [.. Enumerable.Range(0, count).Select(_ => reader.ReadSingle())];
    }
}
