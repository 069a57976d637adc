namespace LmKit.Fuzz;

/// <summary>Every reader of the library.</summary>
internal static class TargetList
{
    internal static IReadOnlyList<FuzzTarget> All { get; } =
        [.. CheckpointTargets.All, .. ModelTargets.All, .. PublishedTargets.All, .. TrainerTargets.All, .. DictionaryTargets.All, .. DataTargets.All, .. TextTargets.All, .. TokenizerTargets.All];

    /// <summary>Every entry point that is called with arguments of all kinds.</summary>
    internal static IReadOnlyList<FuzzTarget> Calls => [.. CoreCalls.All, .. StructureCalls.All, .. ModelCalls.All];

    internal static FuzzTarget Find(string name) => (name.StartsWith(CallTarget.Prefix, StringComparison.Ordinal) ? Calls : name.StartsWith(FaultyReaders.Prefix, StringComparison.Ordinal) ? FaultyReaders.All : All).FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"There is no target '{name}'; there are {string.Join(", ", All.Select(target => target.Name))}.", nameof(name));
}
