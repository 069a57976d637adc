namespace LmKit;

/// <summary>A kind of linear map.</summary>
public abstract class LinearKind : ComponentKind
{
    private protected LinearKind(string name, Type optionsType)
        : base(ComponentSlot.Linear, name, optionsType)
    {
    }

    internal abstract ILinear Create(object options, LinearSite site);
}

/// <summary>A kind of linear map.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class LinearKind<TOptions>(string name, Func<TOptions, LinearSite, ILinear> create)
    : LinearKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override ILinear Create(object options, LinearSite site) => create((TOptions)options, site);
}
