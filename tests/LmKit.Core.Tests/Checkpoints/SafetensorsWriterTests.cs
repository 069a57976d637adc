using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class SafetensorsWriterTests : IDisposable
{
    private static readonly ScalarType[] Types =
    [
        ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64,
        ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool,
    ];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_types_and_shapes_come_back_bit_for_bit(int seed)
    {
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var random = new Random(seed);
        using var generator = new Generator((ulong)seed);
        var tensors = new Dictionary<string, Tensor>();
        foreach (var type in Types)
        {
            for (var rank = 0; rank < 4; rank++)
            {
                var shape = Enumerable.Range(0, rank).Select(_ => (long)random.Next(0, 6)).ToArray();
                var value = (randn(shape, generator: generator) * 3).to(type);
                tensors[$"\u00e9{type}.{rank}"] = rank == 2 ? value.transpose(0, 1) : rank == 3 && shape[0] > 1 ? value.narrow(0, 1, shape[0] - 1) : value;
            }
        }
        var path = folder["all.safetensors"];
        SafetensorsWriter.Save(path, tensors, new Dictionary<string, string> { ["format"] = "pt", ["snow"] = "\u2603" });
        Assert.Equal(0, BitConverter.ToInt64(File.ReadAllBytes(path), 0) % 8);
        using var reader = new SafetensorsReader(path);
        Assert.Equal("\u2603", reader.Metadata["snow"]);
        var back = reader.ReadAll();
        Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), back.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal(tensor.dtype, back[name].dtype);
            Assert.Equal(tensor.shape, back[name].shape);
            Assert.True(tensor.IsSame(back[name]), name);
        }
        foreach (var entry in reader.Entries)
            Assert.Equal(0, entry.Start % (entry.ByteCount / Math.Max(1, tensors[entry.Name].numel()) is var size and > 0 ? size : 1));
    }

    [Fact]
    public void The_same_tensors_in_another_order_give_the_same_bytes()
    {
        LibTorch.EnsureLoaded();
        using var a = ones(2, 3);
        using var b = zeros(4, dtype: ScalarType.Int64);
        SafetensorsWriter.Save(folder["1"], new Dictionary<string, Tensor> { ["a"] = a, ["b"] = b }, new Dictionary<string, string> { ["x"] = "1", ["y"] = "2" });
        SafetensorsWriter.Save(folder["2"], new Dictionary<string, Tensor> { ["b"] = b, ["a"] = a }, new Dictionary<string, string> { ["y"] = "2", ["x"] = "1" });
        Assert.Equal(File.ReadAllBytes(folder["1"]), File.ReadAllBytes(folder["2"]));
    }

    [Fact]
    public void A_full_disk_leaves_the_old_file_whole_and_no_litter()
    {
        LibTorch.EnsureLoaded();
        using var old = ones(3);
        using var big = zeros(1000);
        var path = folder["model.safetensors"];
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["t"] = old });
        var before = File.ReadAllBytes(path);
        var error = Assert.Throws<IOException>(() => SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["t"] = big }, null, name => new FullDisk(name, 2000)));
        Assert.Equal("disk full", error.Message);
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Equal(["model.safetensors"], folder.Names);
    }

    [Fact]
    public void What_a_killed_writer_left_disturbs_nobody_and_is_removed_by_the_next()
    {
        LibTorch.EnsureLoaded();
        using var tensor = ones(3);
        var path = folder["model.safetensors"];
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["t"] = tensor });
        File.WriteAllText(folder["model.safetensors.lmkit-tmp-x1y2z3a4.b5c"], "half");
        using (var reader = new SafetensorsReader(path))
            reader.Read("t").Dispose();
        SafetensorsWriter.Save(path, new Dictionary<string, Tensor> { ["t"] = tensor });
        Assert.Equal(["model.safetensors"], folder.Names);
    }

    [Fact]
    public void Reserved_names_and_foreign_types_are_refused_before_anything_is_written()
    {
        LibTorch.EnsureLoaded();
        using var tensor = ones(3);
        using var complex = zeros(2, dtype: ScalarType.ComplexFloat32);
        Assert.Contains("__metadata__", Assert.Throws<ArgumentException>(() => SafetensorsWriter.Save(folder["x"], new Dictionary<string, Tensor> { ["__metadata__"] = tensor })).Message, StringComparison.Ordinal);
        Assert.Contains("'c'", Assert.Throws<ArgumentException>(() => SafetensorsWriter.Save(folder["x"], new Dictionary<string, Tensor> { ["c"] = complex })).Message, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    private sealed class FullDisk(string path, long room) : FileStream(path, FileMode.CreateNew)
    {
        private long left = room;

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            left -= buffer.Length;
            if (left < 0)
                throw new IOException("disk full");
            base.Write(buffer);
        }
    }
}
