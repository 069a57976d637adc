namespace LmKit.Fuzz;

/// <summary>Readers that end in every way there is, to see that each is noticed.</summary>
internal static class FaultyReaders
{
    internal const string Prefix = "faulty-";

    internal static IReadOnlyList<FuzzTarget> All { get; } =
    [
        Of("accepts", _ => "read"),
        Of("refuses", folder => throw new SafetensorsException(Path.Combine(folder, "a.bin"), null, "it is damaged")),
        Of("forgets-the-file", _ => throw new InvalidDataException("it is damaged")),
        Of("lets-through", _ => throw new KeyNotFoundException("a")),
        Of("lets-an-argument-through", _ => throw new ArgumentException("An item with the same key has already been added.")),
        Of("works-without-end", _ =>
        {
            while (true)
                Thread.SpinWait(1000);
        }),
        Of("takes-memory", _ =>
        {
            var taken = new byte[96 << 20];
            Array.Fill(taken, (byte)1);
            return Digest.Of(taken.Length.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }),
        Of("takes-all-memory", _ =>
        {
            var all = new List<byte[]>();
            while (true)
            {
                all.Add(new byte[16 << 20]);
                Array.Fill(all[^1], (byte)1);
            }
        }),
        Of("ends-the-process", _ =>
        {
            Environment.FailFast("on purpose");
            return "";
        }),
        Of("overflows-the-stack", folder => Deeper(folder, 0)),
        Of("ends-now-and-then", folder =>
        {
            if (File.ReadAllBytes(Path.Combine(folder, "a.bin")) is [> 127, ..])
                Environment.FailFast("on purpose");
            return "read";
        }),
    ];

    private static FuzzTarget Of(string name, Func<string, string> read)
    {
        // The valid file is read without harm, as a worker reads it first.
        CaseFiles valid = new("valid", new Dictionary<string, byte[]> { ["a.bin"] = [0] });
        return new FuzzTarget(Prefix + name, _ => { }, (folder, _) => File.ReadAllBytes(Path.Combine(folder, "a.bin")) is [0] ? "valid" : read(folder))
        {
            OwnSeeds = [valid],
            Draw = random => new CaseFiles("valid", new Dictionary<string, byte[]> { ["a.bin"] = [(byte)(1 + random.Below(255)), 1] }),
        };
    }

    private static string Deeper(string folder, int depth) => depth < 0 ? folder : Deeper(folder, depth + 1) + depth;
}
