namespace LmKit;

/// <summary>A kind of attention mask.</summary>
public abstract class MaskKind : ComponentKind
{
    private protected MaskKind(string name, Type optionsType)
        : base(ComponentSlot.Mask, name, optionsType)
    {
    }

    internal abstract IAttentionMask Create(object options, LayerContext layer);
}

/// <summary>A kind of attention mask.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class MaskKind<TOptions>(string name, Func<TOptions, LayerContext, IAttentionMask> create)
    : MaskKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override IAttentionMask Create(object options, LayerContext layer) => create((TOptions)options, layer);
}
