using System.Text;

namespace LmKit.Fuzz;

/// <summary>A case that somebody thought up against a reader.</summary>
/// <param name="Name">Its name in the table.</param>
/// <param name="Target">The reader.</param>
/// <param name="Seed">The valid case whose other files stand beside it.</param>
/// <param name="Expected">What may come of it.</param>
/// <param name="Files">Makes its files.</param>
internal sealed record HostileCase(string Name, string Target, string Seed, Expectation Expected, Func<IReadOnlyDictionary<string, byte[]>> Files)
{
    internal static HostileCase Of(string name, string target, string seed, Expectation expected, string file, byte[] bytes) =>
        Of(name, target, seed, expected, file, () => bytes);

    internal static HostileCase Of(string name, string target, string seed, Expectation expected, string file, Func<byte[]> bytes) =>
        new(name, target, seed, expected, () => new Dictionary<string, byte[]> { [file] = bytes() });

    internal static HostileCase Of(string name, string target, string seed, Expectation expected, string file, string text) =>
        Of(name, target, seed, expected, file, Encoding.UTF8.GetBytes(text));

    /// <summary>A valid case of the corpus.</summary>
    internal static CaseFiles Valid(string target, string seed) => CorpusStore.Seeds(TargetList.Find(target)).Single(valid => valid.Seed == seed);

    /// <summary>All its files: those of the valid case with its own over them.</summary>
    internal CaseFiles Made() => Valid(Target, Seed).With(Files());
}
