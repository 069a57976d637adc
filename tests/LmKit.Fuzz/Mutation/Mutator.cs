namespace LmKit.Fuzz;

/// <summary>Changes a file in one to four places, in a way that its format makes likely to get past the first check.</summary>
internal static class Mutator
{
    private const double FormatShare = 0.75;
    private const int Longest = 4 << 20;

    /// <summary>A changed copy; the same for the same random numbers.</summary>
    /// <param name="random">The case's random numbers.</param>
    /// <param name="name">The file's name.</param>
    /// <param name="data">Its bytes.</param>
    /// <param name="others">Other files of the corpus, for splices.</param>
    internal static byte[] Apply(FuzzRandom random, string name, byte[] data, IReadOnlyList<byte[]> others)
    {
        var rounds = 1;
        while (rounds < 4 && random.Chance(0.3))
            rounds++;
        for (var round = 0; round < rounds && data.Length < Longest; round++)
            data = random.Chance(FormatShare) ? ByFormat(random, name, data, others) : ByteMutations.Apply(random, data, others);
        return data;
    }

    private static byte[] ByFormat(FuzzRandom random, string name, byte[] data, IReadOnlyList<byte[]> others) => Path.GetExtension(name) switch
    {
        ".safetensors" => BinaryMutations.Safetensors(random, data, others),
        ".parquet" => BinaryMutations.Parquet(random, data, others),
        ".bin" when !data.AsSpan().StartsWith("PK"u8) => ByteMutations.Apply(random, data, others),
        ".pt" or ".npz" or ".bin" => ArchiveMutations.Zip(random, data, others),
        ".gz" => ArchiveMutations.GZip(random, data, plain => ByFormat(random, Path.GetFileNameWithoutExtension(name), plain, others)),
        ".jinja" => TemplateMutations.Apply(random, data),
        ".jsonl" => Lines(random, data, others),
        ".json" => JsonMutations.Apply(random, data, others),
        _ => ByteMutations.Apply(random, data, others),
    };

    private static byte[] Lines(FuzzRandom random, byte[] data, IReadOnlyList<byte[]> others)
    {
        List<(int Start, int End)> lines = [];
        for (var start = 0; start < data.Length;)
        {
            var length = data.AsSpan(start).IndexOf((byte)'\n');
            var end = length < 0 ? data.Length : start + length;
            lines.Add((start, end));
            start = end + 1;
        }
        if (lines.Count == 0)
            return ByteMutations.Apply(random, data, others);
        var (from, to) = random.Pick(lines);
        var line = data[from..to];
        return random.Below(8) switch
        {
            0 => ByteMutations.Replaced(data, from, Math.Min(to + 1, data.Length), []),
            1 => ByteMutations.Inserted(data, from, [.. line, (byte)'\n']),
            2 => ByteMutations.Inserted(data, from, "\n"u8),
            _ => ByteMutations.Replaced(data, from, to, JsonMutations.Apply(random, line, others)),
        };
    }
}
