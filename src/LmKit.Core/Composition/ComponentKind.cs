namespace LmKit;

/// <summary>A kind of component: its name in configurations, its options, and (in the derived types) its factory.</summary>
/// <remarks>A package keeps one static field per kind; <see cref="ComponentRegistry"/> finds it by slot and name.</remarks>
public abstract class ComponentKind
{
    private protected ComponentKind(ComponentSlot slot, string name, Type optionsType)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Slot = slot;
        Name = name;
        OptionsType = optionsType;
        Package = optionsType.Assembly.GetName().Name!;
    }

    /// <summary>The slot it fills.</summary>
    public ComponentSlot Slot { get; }

    /// <summary>The kind's name in <c>config.json</c>, lower case with underscores.</summary>
    public string Name { get; }

    /// <summary>The package that brings it, named in <c>config.json</c> so that an error can say what to add.</summary>
    public string Package { get; }

    /// <summary>The type of its options: plain, public setters, a parameterless constructor.</summary>
    public Type OptionsType { get; }
}
