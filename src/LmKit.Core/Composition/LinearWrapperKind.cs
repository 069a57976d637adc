namespace LmKit;

/// <summary>A kind of wrapper around a linear map, such as an adapter.</summary>
public abstract class LinearWrapperKind : ComponentKind
{
    private protected LinearWrapperKind(string name, Type optionsType)
        : base(ComponentSlot.LinearWrapper, name, optionsType)
    {
    }

    internal abstract ILinear Create(object options, ILinear inner, LinearSite site);
}

/// <summary>A kind of wrapper around a linear map, such as an adapter.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class LinearWrapperKind<TOptions>(string name, Func<TOptions, ILinear, LinearSite, ILinear> create)
    : LinearWrapperKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override ILinear Create(object options, ILinear inner, LinearSite site) => create((TOptions)options, inner, site);
}
