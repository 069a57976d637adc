using System.Buffers.Binary;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class SafetensorsReaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Write(string header, int dataLength, ulong? claimedLength = null)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataLength];
        BinaryPrimitives.WriteUInt64LittleEndian(file, claimedLength ?? (ulong)json.Length);
        json.CopyTo(file, 8);
        var path = folder[$"{Guid.NewGuid():N}.safetensors"];
        File.WriteAllBytes(path, file);
        return path;
    }

    private static void Refused(string path, string? tensor, string fault)
    {
        var error = Assert.Throws<SafetensorsException>(() => new SafetensorsReader(path));
        Assert.Equal(tensor, error.TensorName);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
        File.Delete(path); // it must not be held open
    }

    private const string A = "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}";

    [Fact]
    public void A_header_of_any_length_is_read()
    {
        // The first bytes of a file are a length: some look like a pickle's, an archive's or a text's.
        for (var length = 64; length < 1600; length++)
        {
            var path = Write(("{" + A + "}").PadRight(length), 8);
            using (var reader = new SafetensorsReader(path))
                Assert.Equal("a", Assert.Single(reader.Entries).Name);
            File.Delete(path);
        }
    }

    [Fact]
    public void A_well_formed_file_is_read()
    {
        using var reader = new SafetensorsReader(Write("{\"__metadata__\":{\"k\":\"v\"}," + A + "}   ", 8));
        Assert.Equal("v", reader.Metadata["k"]);
        var entry = Assert.Single(reader.Entries);
        Assert.Equal(("a", ScalarType.Float32, 8L), (entry.Name, entry.ScalarType, entry.ByteCount));
        using var tensor = reader.Read("a");
        Assert.Equal([2L], tensor.shape);
        Assert.Equal(0f, tensor[1].item<float>());
    }

    [Theory]
    [InlineData("{A}", 7, "a", "cut short")]
    [InlineData("{A}", 9, null, "after the last tensor")]
    [InlineData("{A,\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", 12, "b", "inside another tensor")]
    [InlineData("{A,\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[12,20]}}", 20, "b", "belong to no tensor")]
    [InlineData("{A,A}", 8, "a", "stands twice")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8, "a", "whole numbers")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8, "a", "not a start and an end")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, "a", "not a start and an end")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[18446744073709551608,18446744073709551616]}}", 8, "a", "whole numbers")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[9223372036854775800,9223372036854775807]}}", 8, "a", "takes 8 bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, "a", "more bytes than a file can hold")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "a", "takes 12 bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}", 8, "a", "whole numbers")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", 8, "a", "shape is missing")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a", "'dtype' stands twice")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "a", "'x' is no key")]
    [InlineData("{\"a\":[]}", 0, "a", "an object")]
    [InlineData("{\"a\":{\"dtype\":\"U16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "a", "takes 4 bytes")]
    [InlineData("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2, "a", "takes 12 bits")]
    [InlineData("{\"a\":{\"dtype\":\"Q9\",\"shape\":[2],\"data_offsets\":[0,4]}}", 8, null, "after the last tensor")]
    [InlineData("{\"__metadata__\":{\"k\":1}}", 0, null, "text for metadata 'k'")]
    [InlineData("{\"__metadata__\":[]}", 0, "__metadata__", "an object or null")]
    [InlineData("{\"__metadata__\":null,\"__metadata__\":null}", 0, "__metadata__", "stands twice")]
    [InlineData("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, null, "metadata 'k' stands twice")]
    [InlineData("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__", "stands twice")]
    [InlineData("[]", 0, null, "does not start with")]
    [InlineData("{\"a\"", 0, null, "not valid JSON")]
    [InlineData("{} x", 0, null, "not valid JSON")]
    [InlineData("{\"\\ud800\":{}}", 0, null, "not valid JSON")]
    public void A_malformed_header_is_refused_naming_file_tensor_and_fault(string header, int dataLength, string? tensor, string fault) =>
        Refused(Write(header.Replace("A", A, StringComparison.Ordinal), dataLength), tensor, fault);

    [Theory]
    [InlineData(2UL << 30)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(0UL)]
    [InlineData(200UL)]
    public void A_header_length_that_cannot_be_is_refused(ulong claimed) =>
        Refused(Write("{" + A + "}", 8, claimed), null, $"claims {claimed} bytes");

    [Fact]
    public void A_file_too_short_for_the_prefix_is_refused()
    {
        var path = folder["short.safetensors"];
        File.WriteAllBytes(path, new byte[7]);
        Refused(path, null, "7 bytes");
    }

    [Fact]
    public void Cutting_a_file_anywhere_is_noticed()
    {
        var whole = File.ReadAllBytes(Write("{" + A + "}", 8));
        for (var length = 0; length < whole.Length; length++)
        {
            var path = folder["cut.safetensors"];
            File.WriteAllBytes(path, whole[..length]);
            _ = Assert.Throws<SafetensorsException>(() => new SafetensorsReader(path));
        }
    }

    [Fact]
    public void A_missing_tensor_and_a_strange_boolean_are_named()
    {
        var path = Write("{\"flag\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2);
        var bytes = File.ReadAllBytes(path);
        bytes[^1] = 7;
        File.WriteAllBytes(path, bytes);
        using var reader = new SafetensorsReader(path);
        Assert.Contains("flag", Assert.Throws<SafetensorsException>(() => reader.Read("nothing")).Message, StringComparison.Ordinal);
        Assert.Equal("flag", Assert.Throws<SafetensorsException>(() => reader.Read("flag")).TensorName);
    }

    [Fact]
    public void Opening_and_reading_one_tensor_of_a_large_file_allocates_little_managed_memory()
    {
        LibTorch.EnsureLoaded();
        var path = folder["large.safetensors"];
        using (var big = zeros(16 << 20))
        using (var small = ones(4))
            SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["big"] = big, ["small"] = small });
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var reader = new SafetensorsReader(path);
        using var tensor = reader.Read("small");
        Assert.Equal(4f, tensor.sum().item<float>());
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }
}
