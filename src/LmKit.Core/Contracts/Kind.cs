using System.Reflection;

namespace LmKit;

/// <summary>A kind of component: the slot it fills, its name in configurations and its options.</summary>
/// <remarks>A package keeps one static field per kind; <see cref="ComponentRegistry"/> finds it by slot and name. Immutable.</remarks>
public abstract class Kind
{
    private protected Kind(Slot slot, string name, Assembly owner, Type optionsType)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Slot = slot;
        Name = name;
        OptionsType = optionsType;
        Package = owner.GetName().Name!;
    }

    /// <summary>The slot it fills.</summary>
    public Slot Slot { get; }

    /// <summary>The kind's name in <c>config.json</c>, lower case with underscores.</summary>
    public string Name { get; }

    /// <summary>The package that brings it, named in <c>config.json</c> so that an error can say what to add.</summary>
    public string Package { get; }

    /// <summary>The type of its options.</summary>
    internal Type OptionsType { get; }

    /// <summary>The slot and the name.</summary>
    public override string ToString() => $"{Slot} '{Name}'";
}

/// <summary>A kind of component that makes a kind of part.</summary>
/// <typeparam name="TPart">What it makes.</typeparam>
public abstract class Kind<TPart> : Kind
    where TPart : class
{
    private protected Kind(Slot<TPart> slot, string name, Assembly owner, Type optionsType)
        : base(slot, name, owner, optionsType)
    {
    }

    internal abstract TPart Create(object options, object place);
}

/// <summary>A kind of component with options; <see cref="Slot{TPart, TPlace}.Define{TOptions}"/> makes it.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <typeparam name="TPart">What it makes.</typeparam>
public sealed class Kind<TOptions, TPart> : Kind<TPart>
    where TOptions : class, new()
    where TPart : class
{
    private readonly Func<TOptions, object, TPart> create;

    internal Kind(Slot<TPart> slot, string name, Assembly owner, Func<TOptions, object, TPart> create)
        : base(slot, name, owner, typeof(TOptions)) => this.create = create;

    internal override TPart Create(object options, object place) => create((TOptions)options, place);
}

/// <summary>The options of a kind that has none.</summary>
internal sealed class NoOptions;
