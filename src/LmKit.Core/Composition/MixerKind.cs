namespace LmKit;

/// <summary>A kind of sequence mixer.</summary>
public abstract class MixerKind : ComponentKind
{
    private protected MixerKind(string name, Type optionsType)
        : base(ComponentSlot.Mixer, name, optionsType)
    {
    }

    internal abstract IMixer Create(object options, LayerContext layer);
}

/// <summary>A kind of sequence mixer.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class MixerKind<TOptions>(string name, Func<TOptions, LayerContext, IMixer> create)
    : MixerKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override IMixer Create(object options, LayerContext layer) => create((TOptions)options, layer);
}
