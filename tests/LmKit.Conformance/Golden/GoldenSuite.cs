using Xunit;
using Xunit.Abstractions;

namespace LmKit.Conformance;

/// <summary>Checks every golden file of one area; a package's <c>GoldenTests</c> derives from it and bears <see cref="GoldenAreaAttribute"/>.</summary>
/// <param name="output">Takes what is covered and what is not.</param>
/// <remarks>Its other part holds the laws of a suite: what a check must not let pass.</remarks>
[NoTensorLeak]
public abstract partial class GoldenSuite(ITestOutputHelper output)
{
    /// <summary>The check of each kind; a file's kind is the longest of these and of <see cref="Missing"/> that its name starts with.</summary>
    protected abstract IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; }

    /// <summary>Kinds that nothing checks yet, each with what the packages lack for it; their files are skipped and counted.</summary>
    protected virtual IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>();

    /// <summary>Parts of files that have a check, as <c>kind: tensor</c> (a name may begin or end with a star), each with what the packages lack for it;
    /// they are skipped and counted apart.</summary>
    protected virtual IReadOnlyDictionary<string, string> MissingParts { get; } = new Dictionary<string, string>();

    internal IEnumerable<string> CheckedKinds => Checks.Keys;

    private const string PartMark = " > ";

    private string Area => GoldenCasesAttribute.AreaOf(GetType());

    [GoldenTheory]
    [Trait("Category", "Golden")]
    [GoldenCases]
    public void Golden_data_is_reproduced(string name) => GoldenSource.FromEnvironment().Run(Area, name, Checks, output.WriteLine, IsMissing);

    [Fact]
    [Trait("Category", "Golden")]
    public void Kinds_without_a_check_are_listed_and_counted()
    {
        var twice = Checks.Keys.Intersect(Missing.Keys).ToList();
        Assert.True(twice.Count == 0, $"{Area}: {string.Join(", ", twice)} has a check and stands among the missing; take it off that list.");
        var cases = GoldenSource.FromEnvironment().Cases(Area).Where(name => name != GoldenSource.NoData).ToLookup(KindOf);
        foreach (var (part, reason) in MissingParts)
            output.WriteLine($"no check yet: {part}: {reason}");
        foreach (var (kind, reason) in Missing)
            output.WriteLine($"no check yet: {kind}, {cases[kind].Count()} files: {reason}");
        output.WriteLine($"{Area}: {cases.Sum(group => group.Count())} cases, {cases.Where(group => group.Key is not null && Checks.ContainsKey(group.Key)).Sum(group => group.Count())} with a check, {cases.Where(group => group.Key is not null && Missing.ContainsKey(group.Key)).Sum(group => group.Count())} listed as missing, {cases[null].Count()} of no known kind");
    }

    [Fact]
    public void Every_kind_has_a_file_in_the_repository()
    {
        var kinds = GoldenSource.Repository.Cases(Area).Select(KindOf).ToHashSet();
        var idle = Checks.Keys.Concat(Missing.Keys).Where(kind => !kinds.Contains(kind)).ToList();
        idle.AddRange(MissingParts.Keys.Except(GoldenSource.Repository.Cases(Area).SelectMany(name => Parts(GoldenSource.Repository, name).Select(part => $"{KindOf(name)}: {part.Name}"))));
        Assert.True(idle.Count == 0, $"{Area}: no golden file is of kind {string.Join(", ", idle)}; remove the kind or add a file.");
    }

    /// <summary>Why a case is skipped: its kind is listed as missing, or the run is partial and nothing knows it; null when it is checked.</summary>
    public string? ReasonToSkip(GoldenSource source, string name)
    {
        if (name == GoldenSource.NoData)
            return Checks.Count > 0 && source.IsChosen && (!source.IsPartial || !Directory.Exists(source.Root)) ? null : $"no golden data for area {Area}";
        var cut = name.IndexOf(PartMark, StringComparison.Ordinal);
        if (cut >= 0)
            return $"no check yet for this part: {Parts(source, name[..cut]).First(part => part.Name == name[(cut + PartMark.Length)..]).Reason}";
        var kind = KindOf(name);
        return kind is null
            ? source.IsPartial ? $"not covered: {Area}/{name} is of no known kind" : null
            : Missing.TryGetValue(kind, out var reason) ? $"no check yet for {kind}: {reason}" : null;
    }

    /// <summary>A file's case, and one for each of its parts that nothing checks yet.</summary>
    public IEnumerable<string> CasesOf(GoldenSource source, string name) => [name, .. Parts(source, name).Select(part => $"{name}{PartMark}{part.Name}")];

    private bool IsMissing(string kind, string tensor) => new TensorList(MissingParts).Has(kind, tensor);

    private IEnumerable<(string Name, string Reason)> Parts(GoldenSource source, string name)
    {
        if (MissingParts.Count == 0 || !name.EndsWith(".safetensors", StringComparison.Ordinal))
            return [];
        using var reader = new SafetensorsReader(source.PathOf(Area, name));
        return [.. new TensorList(MissingParts).Rows(KindOf(name), [.. reader.Entries.Select(entry => entry.Name)])];
    }

    private string? KindOf(string name) => GoldenSource.KindOf(name, Checks.Keys.Concat(Missing.Keys));
}
