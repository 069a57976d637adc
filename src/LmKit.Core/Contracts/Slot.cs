namespace LmKit;

/// <summary>A place of a model that components fill or wrap: its name in configurations, and how its components are found.</summary>
/// <remarks><see cref="Slots"/> holds all of them. Immutable.</remarks>
public abstract class Slot
{
    private protected Slot(string name, int order, SlotScope scope) => (Name, Order, Scope) = (name, order, scope);

    /// <summary>Its name in <c>config.json</c>, lower case with underscores.</summary>
    public string Name { get; }

    /// <summary>Its place among the slots, in which configurations list what building assumed.</summary>
    internal int Order { get; }

    internal SlotScope Scope { get; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}

/// <summary>What a component of a slot may be limited to.</summary>
internal enum SlotScope
{
    /// <summary>Nothing: there is one for the model.</summary>
    Model,

    /// <summary>Layers.</summary>
    Layers,

    /// <summary>Layers and the sites of linear maps.</summary>
    Sites,
}

/// <summary>A slot that takes a kind of part.</summary>
/// <typeparam name="TPart">What fills it.</typeparam>
public abstract class Slot<TPart> : Slot
    where TPart : class
{
    private protected Slot(string name, int order, SlotScope scope)
        : base(name, order, scope)
    {
    }
}

/// <summary>A slot whose parts are made for a kind of place.</summary>
/// <typeparam name="TPart">What fills it.</typeparam>
/// <typeparam name="TPlace">What a part is told about its place while it is built.</typeparam>
public sealed class Slot<TPart, TPlace> : Slot<TPart>
    where TPart : class
    where TPlace : class
{
    internal Slot(string name, int order, SlotScope scope)
        : base(name, order, scope)
    {
    }

    /// <summary>Defines a kind of component for this slot.</summary>
    /// <typeparam name="TOptions">Its options: plain, with public setters and a parameterless constructor.</typeparam>
    /// <param name="name">The kind's name in <c>config.json</c>, lower case with underscores.</param>
    /// <param name="create">Builds the part from validated options.</param>
    public Kind<TOptions, TPart> Define<TOptions>(string name, Func<TOptions, TPlace, TPart> create)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(create);
        return new(this, name, create.Method.Module.Assembly, (options, place) => create(options, (TPlace)place));
    }

    /// <summary>Defines a kind of component without options.</summary>
    /// <param name="name">The kind's name in <c>config.json</c>, lower case with underscores.</param>
    /// <param name="create">Builds the part.</param>
    public Kind<TPart> Define(string name, Func<TPlace, TPart> create)
    {
        ArgumentNullException.ThrowIfNull(create);
        return new Kind<NoOptions, TPart>(this, name, create.Method.Module.Assembly, (_, place) => create((TPlace)place));
    }
}
