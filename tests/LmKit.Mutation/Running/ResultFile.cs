using System.Globalization;
using System.Text.Json;

namespace LmKit.Mutation;

/// <summary>The results of a seed, kept between runs so that survivors can be tried again.</summary>
internal sealed record ResultFile(long Seed, int Count, string Date, double Minutes, IReadOnlyList<MutantResult> Results)
{
    private static readonly JsonSerializerOptions json = new() { WriteIndented = true };

    internal static string Path(long seed) => System.IO.Path.Combine(Repository.Artifacts, $"results-{seed.ToString(CultureInfo.InvariantCulture)}.json");

    internal static ResultFile? Read(long seed) => File.Exists(Path(seed)) ? JsonSerializer.Deserialize<ResultFile>(File.ReadAllText(Path(seed))) : null;

    internal void Write() => File.WriteAllText(Path(Seed), JsonSerializer.Serialize(this, json));
}
