using LmKit.Conformance;
using TorchSharp;
using static LmKit.Core.Tests.PickleFile;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class PickleReaderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string File => folder["a.pt"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_tensor_lies_over_its_storage_as_its_strides_say()
    {
        Write(File, Of(Tensor(Storage(), [2, 3], [1, 2], 1)), byteOrder: "little");
        using var tensor = Assert.Single(PickleReader.ReadTensors(File)).Value;
        using var rows = tensor.contiguous();
        Assert.Equal([1f, 3, 5, 2, 4, 6], rows.data<float>().ToArray());
    }

    [Fact]
    public void Dictionaries_are_joined_with_dots_and_numbers_and_texts_stand_beside_the_tensors()
    {
        Write(File, Join(Raw("\u0080\u0002}("), Text("in"), Raw("}("), Text("w"), Tensor(Storage(), [8], [1]), Text("k"), Raw("K\u0005u"), Text("name"), Text("top"), Raw("K\u0007\u0088u.")));
        var (tensors, values) = PickleReader.Read(File);
        using var tensor = Assert.Single(tensors).Value;
        Assert.Equal("in.w", tensors.Keys.Single());
        Assert.Equal((5L, "top", true), (values["in.k"], values["name"], values["7"]));
    }

    [Fact]
    public void Tensors_of_one_storage_share_its_memory_and_outlive_each_other()
    {
        Write(File, Join(Raw("\u0080\u0002}("), Text("a"), Tensor(Storage(), [4], [1]), Text("b"), Tensor(Storage(), [4], [1], 4), Raw("u.")));
        var tensors = PickleReader.ReadTensors(File);
        tensors["a"].Dispose();
        using var b = tensors["b"];
        Assert.Equal([4f, 5, 6, 7], b.data<float>().ToArray());
    }

    [Theory]
    [InlineData("", "ends in the middle")]
    [InlineData(".", "stack is empty")]
    [InlineData("N)R.", "nothing stands where a function belongs")]
    [InlineData("NK\u0001a.", "nothing stands where a list belongs")]
    [InlineData("NK\u0001K\u0002s.", "nothing stands where a dictionary belongs")]
    [InlineData("K\u0001(K\u0001u.", "a number stands where a dictionary belongs")]
    [InlineData("}(K\u0001u.", "a key without a value")]
    [InlineData("}NK\u0001s.", "no key")]
    [InlineData("})K\u0001s.", "a tuple; texts and numbers can be keys")]
    [InlineData("}NQ.", "nothing stands where a storage's description belongs")]
    [InlineData("})Q.", "a storage is described")]
    [InlineData("q\u0000.", "stack is empty")]
    [InlineData("h\u0000.", "nothing was kept")]
    [InlineData("}N\u0093.", "nothing stands where a name belongs")]
    [InlineData("}cabc", "ends in the middle")]
    [InlineData("}cposix\nsystem\n.", "'posix.system'")]
    [InlineData("}X\u00FF\u00FF\u00FF\u00FF.", "ends in the middle")]
    [InlineData("}q\u0000K\u0001h\u0000s.", "more than 16 deep")]
    [InlineData("].", "its top is a list")]
    [InlineData("}u.", "a mark is missing")]
    [InlineData("}\u0081.", "instruction 0x81")]
    public void Instructions_that_make_no_sense_are_refused_by_name(string instructions, string fault)
    {
        Write(File, Raw("\u0080\u0002" + instructions));
        Refused(fault);
    }

    [Fact]
    public void A_storage_that_is_not_what_is_claimed_is_refused()
    {
        foreach (var (value, fault) in new[]
        {
            (Tensor(Storage(count: 7), [1], [1]), "7 values of Float32 are claimed"),
            (Tensor(Storage(type: "DoubleStorage"), [1], [1]), "8 values of Float64 are claimed"),
            (Tensor(Storage(key: "1"), [1], [1]), "storage '1' is missing"),
            (Tensor(Storage(key: "../data.pkl"), [1], [1]), "is missing"),
            (Tensor(Storage(), [3], [4]), "reaches outside"),
            (Tensor(Storage(), [1], [1], 8), "reaches outside"),
            (Tensor(Storage(), [2], [long.MaxValue], long.MaxValue), "reaches outside"),
            (Tensor(Storage(), [9], [0]), "more values than its storage"),
            (Tensor(Storage(), [long.MaxValue, long.MaxValue], [0, 0]), "more values than its storage"),
            (Tensor(Storage(), [-1], [1]), "whole numbers from 0"),
            (Tensor(Storage(), [1, 2], [1]), "2 sizes, 1 strides"),
            (Tensor(Storage(), [.. Enumerable.Repeat(1L, 65)], [.. Enumerable.Repeat(1L, 65)]), "64 axes"),
            (Tensor(Tensor(Storage(), [4], [1]), [1], [1]), "arguments that PyTorch does not give"),
            (Join(Raw("("), Text("storage"), Raw("ccollections\nOrderedDict\n"), Text("0"), Text("cpu"), Number(1), Raw("tQ")), "a storage is described"),
            (Join(Tensor(Storage(), [1], [1]), Raw("s"), Text("y"), Tensor(Storage(type: "IntStorage"), [1], [1])), "claimed twice"),
        })
        {
            Write(File, Of(value));
            Refused(fault);
        }
        Write(File, Of(Tensor(Storage(), [8], [1])), byteOrder: "big");
        Refused("little-endian");
        Write(File, Join(Raw("\u0080\u0002}("), Text("a.b"), Raw("K\u0001"), Text("a"), Raw("}"), Text("b"), Raw("K\u0002su.")));
        Refused("two entries have the name 'a.b'");
    }

    [Fact]
    public void What_a_small_file_builds_is_bounded()
    {
        var shared = Join([Raw("\u0080\u0002}q\u0000"), .. Enumerable.Range(1, 15).Select(level => Raw("}q" + (char)level + string.Concat(Enumerable.Range(0, 10).Select(key => $"K{(char)key}h{(char)(level - 1)}s")))), Raw(".")]);
        var rebuilt = Join([Raw("\u0080\u0002}q\u0000"), .. Enumerable.Range(0, 60_000).Select(key => Join(Number(key), Tensor(Storage(), [8], [1]), Raw("s"))), Raw(".")]);
        foreach (var instructions in new[] { shared, Raw("\u0080\u0002}" + new string('}', 4 << 20) + "."), Raw("\u0080\u0002}N" + new string('\u0094', 4 << 20) + "."), rebuilt })
        {
            Write(File, instructions, packs: true);
            var before = GC.GetAllocatedBytesForCurrentThread();
            Refused("takes more than");
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, (128L << 20) + (4 * new FileInfo(File).Length));
        }
        Write(File, Raw(new string('}', 60_000_000)), packs: true);
        Refused("60000000 bytes");
    }

    [Fact]
    public void No_file_can_make_the_hashes_of_its_keys_meet()
    {
        IEqualityComparer<object> keys = PickleKeys.Instance;
        Assert.Single(Enumerable.Range(0, 1000).Select(key => (((long)key << 32) | (uint)key).GetHashCode()).Distinct());
        Assert.InRange(Enumerable.Range(0, 1000).Select(key => keys.GetHashCode(((long)key << 32) | (uint)key)).Distinct().Count(), 990, 1000);
        Write(File, Join([Raw("\u0080\u0002}("), .. Enumerable.Range(0, 20_000).SelectMany(key => new[] { Number(((long)key << 32) | (uint)key), Raw("N") }), Raw("u.")]));
        var (tensors, values) = PickleReader.Read(File);
        Assert.Equal((0, 0), (tensors.Count, values.Count));
    }

    [Fact]
    public void Storages_that_lie_in_one_another_and_archives_of_endless_entries_are_refused()
    {
        var data = new byte[4096];
        byte[][] claims = [.. Enumerable.Range(0, 8).Select(at => Join(Text($"{at}"), Tensor(Storage($"{at}", 1024), [1], [1]), Raw("s")))];
        var instructions = Join([Raw("\u0080\u0002}"), .. claims, Raw(".")]);
        ZipBytes.Write(File, [("a/data.pkl", instructions), ("a/data/0", data)], Enumerable.Range(1, 7).Select(at => $"a/data/{at}"));
        Refused("lie in one another");
        ZipBytes.Write(File, [("a/data.pkl", instructions)], Enumerable.Range(0, 131_072).Select(at => $"{at:D6}"));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused("more than 131072 entries");
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void Another_format_a_folder_and_a_device_are_told_apart_by_name()
    {
        System.IO.File.WriteAllBytes(File, [0x80, 2, 0x8A, 10, 0x6C, .. new byte[20]]);
        Refused("bare pickle");
        using (var one = ones(1))
            SafetensorsWriter.Save(File, new Dictionary<string, Tensor> { ["a"] = one });
        Refused(nameof(SafetensorsReader));
        System.IO.File.WriteAllText(File, "");
        Refused("damaged");
        System.IO.File.Delete(File);
        Assert.Contains(File, Assert.Throws<FileNotFoundException>(() => PickleReader.Read(File)).Message, StringComparison.Ordinal);
        Directory.CreateDirectory(File);
        Refused("folder");
        if (OperatingSystem.IsWindows())
            return;
        Directory.Delete(File);
        System.IO.File.CreateSymbolicLink(File, "/dev/zero");
        Refused("no plain file");
    }

    private void Refused(string fault)
    {
        var error = Assert.Throws<PickleException>(() => PickleReader.Read(File));
        Assert.Contains(File, error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    // Joined with dots, each of many short names holds the long one above it.
    [Fact]
    public void Names_that_would_fill_the_memory_are_refused_and_short_ones_are_read()
    {
        byte[] Nested(int length) => Join(Raw("\u0080\u0002}"), Text(new string('p', length)), Raw("}"), Join([.. Enumerable.Range(0, 500).Select(index => Join(Text($"k{index}"), Raw("K\u0005s")))]), Raw("s."));

        Write(File, Nested(10));
        Assert.Equal(500, PickleReader.Read(File).Values.Count);
        Write(File, Nested(100_000));
        Assert.Contains("takes more than", Assert.Throws<PickleException>(() => PickleReader.Read(File)).Message, StringComparison.Ordinal);
    }
}
