namespace LmKit.Fuzz;

/// <summary>Every reader of the library.</summary>
internal static class TargetList
{
    internal static IReadOnlyList<FuzzTarget> All { get; } = 
        [.. CheckpointTargets.All, .. ModelTargets.All, .. TrainerTargets.All, .. DictionaryTargets.All, .. DataTargets.All, .. TextTargets.All];

    internal static FuzzTarget Find(string name) => All.FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"There is no target '{name}'; there are {string.Join(", ", All.Select(target => target.Name))}.", nameof(name));
}
