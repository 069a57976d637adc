namespace LmKit;

/// <summary>The component kinds that an app knows, by slot and name.</summary>
/// <remarks>Each package has one verb that adds all of its kinds (<c>AddSsm</c>, <c>AddStructured</c>); a builder verb registers
/// its own kind. Nothing is found by scanning assemblies. Not thread-safe while kinds are added.</remarks>
public sealed class ComponentRegistry
{
    private readonly Dictionary<(ComponentSlot Slot, string Name), ComponentKind> kinds = [];

    /// <summary>Makes a registry that knows LmKit.Core's own kinds.</summary>
    public ComponentRegistry()
    {
        foreach (var kind in CoreKinds.All)
            Add(kind);
    }

    /// <summary>Adds a kind; adding the same kind again changes nothing.</summary>
    /// <exception cref="ArgumentException">Another kind of the same slot has that name.</exception>
    public ComponentRegistry Add(ComponentKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        if (!kinds.TryAdd((kind.Slot, kind.Name), kind) && kinds[(kind.Slot, kind.Name)] != kind)
            throw new ArgumentException($"Another {kind.Slot} kind is already called '{kind.Name}' (package {kinds[(kind.Slot, kind.Name)].Package}).", nameof(kind));
        return this;
    }

    internal ComponentKind Find(ComponentEntry entry, string path) =>
        kinds.TryGetValue((entry.Slot, entry.Kind), out var kind)
            ? kind
            : throw new ConfigurationException(
                $"{path}.kind",
                $"'{entry.Kind}' is not a known {entry.Slot} kind. It comes from {entry.Package}: run 'dotnet add package {entry.Package}' "
                + "and register the package's kinds, e.g. LanguageModel.Load(folder, kinds => kinds.Add...()).");
}
