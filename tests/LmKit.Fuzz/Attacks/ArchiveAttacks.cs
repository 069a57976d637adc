using System.IO.Compression;
using System.Text;

namespace LmKit.Fuzz;

/// <summary>PyTorch, NumPy and gzip files that unpack to far more than they are, or hold a little very often.</summary>
internal static class ArchiveAttacks
{
    internal static IEnumerable<HostileCase> All() =>
        Pickles().SelectMany(pickle => new[] { ("pickle-pt", "openai", "a.pt"), ("sae-openai", "published", "7.pt"), ("sae-topafa", "published", "sae.pt") }
            .Take(pickle.IsLarge ? 1 : 3)
            .Select(reader => HostileCase.Of($"made-{reader.Item1}-{pickle.Name}", reader.Item1, reader.Item2, reader.Item1 == "pickle-pt" ? pickle.Expected : Expectation.Refused, reader.Item3, pickle.Make)))
        .Concat(Arrays())
        .Concat(Packed());

    private static IEnumerable<(string Name, Expectation Expected, bool IsLarge, Func<byte[]> Make)> Pickles()
    {
        const Expectation refused = Expectation.Refused;
        yield return ("laughs", refused, false, () => Laughs(15, 10));
        yield return ("laughs-wide", refused, false, () => Laughs(4, 200));
        yield return ("laughs-deep", refused, false, () => Laughs(200, 2));
        yield return ("laughs-lists", Expectation.Either, false, () => Lists(40));
        yield return ("clones", Expectation.Either, true, () => Clones(20_000, 1 << 18));
        yield return ("clones-small", Expectation.Either, true, () => Clones(200_000, 16));
        yield return ("zip-bomb", refused, true, () => PickleText.Archive(Encoding.Latin1.GetBytes("\u0080\u0002" + new string('}', 60_000_000) + "."), CompressionLevel.Fastest));
        yield return ("zip-bomb-marks", refused, true, () => PickleText.Archive(Encoding.Latin1.GetBytes("\u0080\u0002" + new string('(', 60_000_000) + "."), CompressionLevel.Fastest));
        yield return ("zip-bomb-memo", refused, true, () => PickleText.Archive(Encoding.Latin1.GetBytes("\u0080\u0002}" + new string('\u0094', 60_000_000) + "."), CompressionLevel.Fastest));
        yield return ("storage-bomb", refused, true, () => new PickleText().Raw("}(").Text("w").Tensor("0", 1 << 26, 0, [1 << 26], [1]).Raw("u.").Archive(CompressionLevel.Fastest, ("0", new byte[1 << 28])));
        yield return ("expanded", refused, false, () => One(1, [1L << 40], [0]));
        yield return ("expanded-square", refused, false, () => One(4, [1 << 20, 1 << 20], [0, 0]));
        yield return ("offset", refused, false, () => new PickleText().Raw("}(").Text("w").Tensor("0", 4, long.MaxValue, [4], [1]).Raw("u.").Archive(CompressionLevel.NoCompression, ("0", new byte[16])));
        yield return ("negative-shape", refused, false, () => One(4, [-4], [1]));
        yield return ("negative-stride", refused, false, () => One(4, [4], [-1]));
        yield return ("overflowing-shape", refused, false, () => One(4, [1L << 32, 1L << 32], [1, 1]));
        yield return ("many-axes", Expectation.Either, false, () => One(1, [.. Enumerable.Repeat(1L, 5000)], [.. Enumerable.Repeat(1L, 5000)]));
        yield return ("short-storage", refused, false, () => new PickleText().Raw("}(").Text("w").Tensor("0", 99, 0, [99], [1]).Raw("u.").Archive(CompressionLevel.NoCompression, ("0", new byte[16])));
        yield return ("negative-storage", refused, false, () => new PickleText().Raw("}(").Text("w").Tensor("0", -1, 0, [1], [1]).Raw("u.").Archive(CompressionLevel.NoCompression, ("0", new byte[16])));
        yield return ("no-storage", refused, false, () => new PickleText().Raw("}(").Text("w").Tensor("../version", 4, 0, [4], [1]).Raw("u.").Archive());
        yield return ("in-itself", refused, false, () => new PickleText().Raw("}q\0").Text("a").Raw("h\0s.").Archive());
        yield return ("in-its-list", Expectation.Either, false, () => new PickleText().Raw("}q\0").Text("a").Raw("]h\0as.").Archive());
        yield return ("own-key", refused, false, () => new PickleText().Raw("}q\0h\0Ns.").Archive());
        yield return ("list-key", Expectation.Either, false, () => new PickleText().Raw("}]Ns.").Archive());
        yield return ("tensor-key", Expectation.Either, false, () => new PickleText().Raw("}").Tensor("0", 1, 0, [1], [1]).Raw("Ns.").Archive(CompressionLevel.NoCompression, ("0", new byte[4])));
        yield return ("colliding-keys", Expectation.Either, true, Colliding);
        yield return ("long-text", refused, false, () => new PickleText().Raw("}X").Raw([0xFF, 0xFF, 0xFF, 0x7F]).Raw("a.").Archive());
        yield return ("memo-far", Expectation.Either, false, () => new PickleText().Raw("}r").Raw([0xFF, 0xFF, 0xFF, 0x7F]).Raw(".").Archive());
        yield return ("no-stop", refused, false, () => new PickleText().Raw("}").Archive());
        yield return ("no-instructions", refused, false, () => PickleText.Archive([], CompressionLevel.NoCompression));
        yield return ("empty-stack", refused, false, () => PickleText.Archive("."u8.ToArray(), CompressionLevel.NoCompression));
        yield return ("none-called", refused, false, () => PickleText.Archive("N)R."u8.ToArray(), CompressionLevel.NoCompression));
        yield return ("none-with-number", refused, false, () => PickleText.Archive(Encoding.Latin1.GetBytes("NK\u0001a."), CompressionLevel.NoCompression));
        yield return ("none-with-item", refused, false, () => PickleText.Archive(Encoding.Latin1.GetBytes("NK\u0001K\u0002s."), CompressionLevel.NoCompression));
        yield return ("dictionary-as-storage", refused, false, () => new PickleText().Raw("(").Text("storage").Raw("ccollections\nOrderedDict\n").Text("0").Text("cpu").Number(1).Raw("tQ.").Archive());
        yield return ("eval", refused, false, () => new PickleText().Raw("cbuiltins\neval\n").Text("1").Raw([0x85]).Raw("R.").Archive());
        yield return ("system", refused, false, () => new PickleText().Raw("cposix\nsystem\n").Text("true").Raw([0x85]).Raw("R.").Archive());
        yield return ("no-line-end", refused, false, () => new PickleText().Raw("cbuiltins").Archive());
        yield return ("two-instructions", Expectation.Either, false, () => ArchiveMutations.Pack([("a/data.pkl", "}."u8.ToArray()), ("b/data.pkl", "N."u8.ToArray())], CompressionLevel.NoCompression));
        yield return ("no-archive", refused, false, () => "not a zip"u8.ToArray());
        yield return ("many-members", Expectation.Either, true, () => ArchiveMutations.Pack([("a/data.pkl", "}."u8.ToArray()), .. Enumerable.Range(0, 30_000).Select(index => ($"a/data/{index}", Array.Empty<byte>()))], CompressionLevel.NoCompression));
    }

    private static IEnumerable<HostileCase> Arrays()
    {
        HostileCase Case(string name, Func<byte[]> bytes, Expectation expected = Expectation.Refused) => HostileCase.Of($"made-npz-{name}", "sae-gemma_scope", "published", expected, "params.npz", bytes);
        byte[] One(string header, int count, CompressionLevel level = CompressionLevel.NoCompression) => ArchiveMutations.Pack([("W_enc.npy", Numbers(header, count))], level);

        yield return Case("bomb", () => One("{'descr': '<f4', 'fortran_order': False, 'shape': (8192, 8192), }", 1 << 28, CompressionLevel.Fastest));
        yield return Case("bomb-fortran", () => One("{'descr': '<f8', 'fortran_order': True, 'shape': (8192, 4096), }", 1 << 28, CompressionLevel.Fastest));
        yield return Case("overflow", () => One("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 16));
        yield return Case("negative", () => One("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }", 16));
        yield return Case("objects", () => One("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }", 16));
        yield return Case("many-axes", () => One($"{{'descr': '<f4', 'fortran_order': False, 'shape': ({string.Concat(Enumerable.Repeat("1, ", 5000))}), }}", 4));
        yield return Case("no-shape", () => One("{'descr': '<f4', 'fortran_order': False, }", 16));
        yield return Case("not-a-number", () => One("{'descr': '<f4', 'fortran_order': False, 'shape': (a, b), }", 16));
        yield return Case("no-arrays", () => ArchiveMutations.Pack([("x.txt", [1])], CompressionLevel.NoCompression));
        yield return Case("empty", () => []);
        yield return Case("many-members", () => ArchiveMutations.Pack(Enumerable.Range(0, 20_000).Select(index => ($"x{index}.npy", Numbers("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", 4))), CompressionLevel.NoCompression));
    }

    private static IEnumerable<HostileCase> Packed()
    {
        foreach (var (name, unit, count) in new[] { ("zeros", "\0", 1 << 28), ("lines", "\n", 1 << 27), ("blanks", " ", 1 << 27), ("letters", "a", 1 << 28), ("short-lines", "a\n", 1 << 26) })
        {
            byte[] Bomb() => Repeated(Encoding.ASCII.GetBytes(unit), count / unit.Length);
            yield return HostileCase.Of($"made-gz-jsonl-{name}", "jsonl-gz", "rows", Expectation.Either, "a.jsonl.gz", Bomb);
            yield return HostileCase.Of($"made-gz-text-{name}", "text-gz", "packed", Expectation.Either, "a.txt.gz", Bomb);
        }
        foreach (var (name, bytes) in new[] { ("empty", Array.Empty<byte>()), ("cut", ArchiveMutations.Packed("{\"id\": \"a\", \"text\": \"b\"}"u8.ToArray())[..20]), ("plain", "{\"id\": \"a\", \"text\": \"b\"}"u8.ToArray()) })
        {
            yield return HostileCase.Of($"made-gz-jsonl-{name}", "jsonl-gz", "rows", name == "empty" ? Expectation.Either : Expectation.Refused, "a.jsonl.gz", bytes);
            yield return HostileCase.Of($"made-gz-text-{name}", "text-gz", "packed", name == "empty" ? Expectation.Either : Expectation.Refused, "a.txt.gz", bytes);
        }
    }

    private static byte[] One(long count, long[] shape, long[] strides) =>
        new PickleText().Raw("}(").Text("w").Tensor("0", count, 0, shape, strides).Raw("u.").Archive(CompressionLevel.NoCompression, ("0", new byte[4 * count]));

    // Dictionaries, each holding the one before under several keys.
    private static byte[] Laughs(int depth, int width)
    {
        var pickle = new PickleText().Raw("}(").Text("x").Raw("K\u0001uq\0");
        for (var level = 1; level <= depth; level++)
        {
            pickle.Raw("}(");
            for (var key = 0; key < width; key++)
                pickle.Text($"{key}").Raw([(byte)'h', (byte)(level - 1)]);
            pickle.Raw("uq").Raw([(byte)level]);
        }
        return pickle.Raw(".").Archive();
    }

    private static byte[] Lists(int depth)
    {
        var pickle = new PickleText().Raw("}").Text("a").Raw("]q\0");
        for (var level = 1; level <= depth; level++)
            pickle.Raw("](").Raw([(byte)'h', (byte)(level - 1), (byte)'h', (byte)(level - 1)]).Raw("eq").Raw([(byte)level]);
        return pickle.Raw("s.").Archive();
    }

    private static byte[] Clones(int times, int count)
    {
        var pickle = new PickleText().Raw("}(");
        for (var index = 0; index < times; index++)
            pickle.Text($"{index}").Tensor("0", count, 0, [count], [1]);
        return pickle.Raw("u.").Archive(CompressionLevel.NoCompression, ("0", new byte[4 * count]));
    }

    // Numbers whose two halves are alike: .NET gives all of them one hash.
    private static byte[] Colliding()
    {
        var pickle = new PickleText().Raw("}(");
        for (long index = 0; index < 100_000; index++)
            pickle.Number((index << 32) | index).Raw("N");
        return pickle.Raw("u.").Archive();
    }

    private static byte[] Numbers(string header, int count) => [0x93, .. "NUMPY"u8, 1, 0, (byte)(header.Length + 1), (byte)((header.Length + 1) >> 8), .. Encoding.Latin1.GetBytes(header + "\n"), .. new byte[count]];

    private static byte[] Repeated(byte[] unit, int count)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            byte[] block = [.. Enumerable.Repeat(unit, 1 << 14).SelectMany(bytes => bytes)];
            for (var done = 0; done < count; done += 1 << 14)
                stream.Write(block);
        }
        return packed.ToArray();
    }
}
