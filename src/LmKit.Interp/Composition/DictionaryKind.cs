using static TorchSharp.torch;

namespace LmKit;

/// <summary>A kind of dictionary: its name in configurations, its options, and (in the derived type) its factory.</summary>
public abstract class DictionaryKind
{
    private protected DictionaryKind(string name, Type optionsType)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Name = name;
        OptionsType = optionsType;
        Package = optionsType.Assembly.GetName().Name!;
    }

    /// <summary>Its name in <c>config.json</c>, lower case with underscores.</summary>
    public string Name { get; }

    /// <summary>The package that brings it.</summary>
    public string Package { get; }

    /// <summary>The type of its options: plain, public setters, a parameterless constructor.</summary>
    public Type OptionsType { get; }

    /// <summary>Makes one from validated options; the caller disposes it.</summary>
    internal abstract IDictionary Create(object options, ParameterFactory parameters);
}

/// <summary>A kind of dictionary.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Makes the dictionary, a module whose parameters and buffers are all it knows, from validated options.</param>
public sealed class DictionaryKind<TOptions>(string name, Func<TOptions, ParameterFactory, IDictionary> create)
    : DictionaryKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override IDictionary Create(object options, ParameterFactory parameters) => create((TOptions)options, parameters);
}
