using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Issues;

/// <summary>A tensor of a type that is not computed on kept every other tensor of its file from being read.</summary>
public sealed class Report38OneUnreadType : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("U16", 2)]
    [InlineData("U32", 4)]
    [InlineData("U64", 8)]
    [InlineData("F8_E4M3", 1)]
    [InlineData("F8_E5M2", 1)]
    [InlineData("F8_E8M0", 1)]
    [InlineData("C64", 8)]
    [InlineData("Q3_NEW", 7)]
    public void The_other_tensors_are_read_and_this_one_is_listed_and_refused_when_asked_for(string type, int size)
    {
        using var reader = new SafetensorsReader(Write(type, size));
        using var read = reader.Read("a");
        Assert.Equal(1.5f, read.item<float>());
        Assert.Equal(["F32", type], reader.Entries.Select(entry => entry.Dtype));
        Assert.Equal([true, false], reader.Entries.Select(entry => entry.IsReadable));
        Assert.False(Enum.IsDefined(reader.Entries[1].ScalarType));
        foreach (var reading in new Action[] { () => reader.Read("b"), () => reader.ReadAll() })
        {
            var error = Assert.Throws<SafetensorsException>(reading);
            Assert.Equal("b", error.TensorName);
            Assert.Contains($"type {type} is not computed on", error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_loader_that_needs_it_names_it(bool allowCast)
    {
        using var model = nn.Sequential(("a", nn.Linear(1, 1)));
        using var scope = NewDisposeScope();
        var path = Write("F8_E4M3", 1, "a.weight", "a.bias");
        var error = Assert.Throws<CheckpointMismatchException>(() => CheckpointLoader.Load(model, path, allowCast: allowCast));
        Assert.Equal("a.bias", Assert.Single(error.WrongDtype).Name);
        Assert.Contains("F8_E4M3, which is not computed on", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_map_that_leaves_it_out_loads_the_others_and_one_that_needs_it_names_it()
    {
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(("l", nn.Linear(1, 1, hasBias: false)));
        var path = Write("F8_E4M3", 1);
        CheckpointLoader.Load(model, path, new KeyMap(KeyMapRow.Rename("a", "l.weight"), KeyMapRow.Omit("b")));
        Assert.Equal(1.5f, model.state_dict()["l.weight"].item<float>());
        Assert.Equal("b", Assert.Throws<SafetensorsException>(() => CheckpointLoader.Load(model, path, new KeyMap(KeyMapRow.Rename("a", "l.weight")))).TensorName);
    }

    [Fact]
    public void Metadata_may_be_null()
    {
        var path = folder["null.safetensors"];
        WriteFile(path, "{\"__metadata__\":null,\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4);
        using var reader = new SafetensorsReader(path);
        Assert.Empty(reader.Metadata);
        Assert.Equal("a", Assert.Single(reader.Entries).Name);
    }

    [Theory]
    [InlineData("PK\u0003\u0004aaaaaaaaaaaa", "zip archive", "PickleReader")]
    [InlineData("{\"weight_map\": {}}", "JSON text", "index")]
    [InlineData("\u0000", "1 bytes", "8")]
    public void A_file_of_another_format_is_told_apart(string content, string what, string remedy)
    {
        var path = folder["x.safetensors"];
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(content));
        Refused(path, what, remedy);
        File.WriteAllBytes(path, [0x80, 2, 0x8A, 10, .. new byte[20]]);
        Refused(path, "bare pickle", "save it as safetensors");
    }

    [Fact]
    public void A_folder_a_missing_file_and_a_device_are_refused_by_name()
    {
        Directory.CreateDirectory(folder["d.safetensors"]);
        Refused(folder["d.safetensors"], "folder", "a file is needed");
        Assert.Contains("missing.safetensors", Assert.Throws<FileNotFoundException>(() => new SafetensorsReader(folder["missing.safetensors"])).Message, StringComparison.Ordinal);
        if (OperatingSystem.IsWindows())
            return;
        File.CreateSymbolicLink(folder["zero.safetensors"], "/dev/zero");
        Refused(folder["zero.safetensors"], "no plain file", "device");
    }

    [Fact]
    public void Absurd_headers_are_refused_before_they_take_memory_and_named_shortly()
    {
        var path = folder["x.safetensors"];
        WriteFile(path, $"{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{string.Join(",", Enumerable.Repeat(1, 65))}],\"data_offsets\":[0,1]}}}}", 1);
        Refused(path, "more than 64 numbers", "shape");
        WriteFile(path, $"{{\"{new string('n', 1_000_000)}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,3]}}}}", 3);
        Assert.True(Assert.Throws<SafetensorsException>(() => new SafetensorsReader(path)).Message.Length < 1000);
    }

    private static void Refused(string path, params string[] words)
    {
        var error = Assert.Throws<SafetensorsException>(() => new SafetensorsReader(path));
        Assert.All([path, .. words], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    private string Write(string type, int size, string first = "a", string second = "b")
    {
        var path = folder[$"{type}.safetensors"];
        WriteFile(path, $"{{\"{first}\":{{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]}},\"{second}\":{{\"dtype\":\"{type}\",\"shape\":[1],\"data_offsets\":[4,{4 + size}]}}}}", 4 + size);
        return path;
    }

    private static void WriteFile(string path, string header, int dataLength)
    {
        using var stream = File.Create(path);
        stream.Write(BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)));
        stream.Write(Encoding.UTF8.GetBytes(header));
        var data = new byte[dataLength];
        if (dataLength >= 4)
            BitConverter.GetBytes(1.5f).CopyTo(data, 0);
        stream.Write(data);
    }
}
