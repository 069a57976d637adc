namespace LmKit;

/// <summary>The component kinds that an app knows beside Core's own, by slot and name.</summary>
/// <remarks>Each package has one verb that adds all of its kinds (<c>AddSsm</c>, <c>AddStructured</c>); a builder verb registers
/// its own kind. Nothing is found by scanning assemblies. Not thread-safe while kinds are added.</remarks>
public sealed class ComponentRegistry
{
    private readonly Dictionary<(Slot Slot, string Name), Kind> kinds = [];

    /// <summary>Adds a kind; adding the same kind again changes nothing.</summary>
    /// <exception cref="ArgumentException">Another kind of the same slot has that name.</exception>
    public ComponentRegistry Add(Kind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        if (!kinds.TryAdd((kind.Slot, kind.Name), kind) && kinds[(kind.Slot, kind.Name)] != kind)
            throw new ArgumentException($"Another {kind.Slot} kind is already called '{kind.Name}' (package {kinds[(kind.Slot, kind.Name)].Package}).", nameof(kind));
        return this;
    }

    /// <summary>The kinds added so far.</summary>
    internal IReadOnlyCollection<Kind> All => kinds.Values;

    /// <summary>A registry of its own with the same kinds.</summary>
    internal ComponentRegistry Copy()
    {
        var copy = new ComponentRegistry();
        foreach (var kind in kinds.Values)
            _ = copy.Add(kind);
        return copy;
    }

    internal Kind Find(Slot slot, string name, string package, string path, IReadOnlyList<Kind> more)
    {
        var own = more.FirstOrDefault(one => one.Slot == slot && one.Name == name);
        var kind = kinds.GetValueOrDefault((slot, name), own!);
        if (own is not null && kind != own)
            throw new ConfigurationException($"{path}.kind", $"a {slot} kind of {kind.Package} is called '{name}' as one of {own.Package} is already; give it another name.");
        if (kind is not null)
            return kind;
        var other = kinds.Values.Concat(more).FirstOrDefault(one => one.Name == name);
        throw new ConfigurationException($"{path}.kind", other is not null
            ? $"'{name}' is a {other.Slot} kind of {other.Package}, not a {slot} kind."
            : $"'{name}' is not a known {slot} kind. It comes from {package}: run 'dotnet add package {package}' "
                + "and register the package's kinds, e.g. LanguageModel.Load(folder, kinds => kinds.Add...()).");
    }
}
