namespace LmKit.Fuzz;

/// <summary>The files of a case by their paths in its folder, with a forward slash.</summary>
/// <param name="Seed">The valid case that it was made from.</param>
/// <param name="Files">The files' bytes.</param>
internal sealed record CaseFiles(string Seed, IReadOnlyDictionary<string, byte[]> Files)
{
    internal long Bytes => Files.Values.Sum(file => (long)file.Length);

    /// <summary>Reads the files below a folder.</summary>
    internal static CaseFiles Of(string seed, string folder) => new(seed, Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
        .Order(StringComparer.Ordinal)
        .ToDictionary(file => Path.GetRelativePath(folder, file).Replace('\\', '/'), File.ReadAllBytes, StringComparer.Ordinal));

    /// <summary>Makes a case of a run: it depends on the run's seed and the case's number alone.</summary>
    internal static CaseFiles Make(FuzzTarget target, IReadOnlyList<CaseFiles> seeds, long seed, long index)
    {
        var random = FuzzRandom.Of(seed, target.Name, index);
        if (target.Draw is { } draw)
            return draw(random);
        var from = random.Pick(seeds);
        string[] names = [.. from.Files.Keys.Where(name => target.Mutates(name))];
        var files = new Dictionary<string, byte[]>(from.Files);
        do
        {
            var name = random.Pick(names);
            byte[][] others = [.. seeds.SelectMany(other => other.Files).Where(file => Path.GetExtension(file.Key) == Path.GetExtension(name)).Select(file => file.Value)];
            if (random.Chance(0.01))
                _ = files.Remove(name);
            else
                files[name] = Mutated(random, name, files.GetValueOrDefault(name, []), others);
        }
        while (random.Chance(0.1));
        return new CaseFiles(from.Seed, files);
    }

    // A file that was mutated twice may be too broken for a mutation that knows its format; bytes are changed in its place.
    private static byte[] Mutated(FuzzRandom random, string name, byte[] data, IReadOnlyList<byte[]> others)
    {
        try
        {
            return Mutator.Apply(random, name, data, others);
        }
        catch (Exception error) when (error is ArgumentException or FormatException or InvalidOperationException or System.Text.Json.JsonException or InvalidDataException or IndexOutOfRangeException)
        {
            return ByteMutations.Apply(random, data, others);
        }
    }

    /// <summary>The files with others in their place or beside them.</summary>
    internal CaseFiles With(IEnumerable<KeyValuePair<string, byte[]>> others)
    {
        var files = new Dictionary<string, byte[]>(Files);
        foreach (var (name, bytes) in others)
            files[name] = bytes;
        return this with { Files = files };
    }

    /// <summary>Puts the files into a folder that then holds nothing else.</summary>
    internal void WriteTo(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        _ = Directory.CreateDirectory(folder);
        foreach (var (name, bytes) in Files)
        {
            var path = Path.Combine(folder, name);
            if (name.Contains('/', StringComparison.Ordinal))
                _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, bytes);
        }
    }
}
