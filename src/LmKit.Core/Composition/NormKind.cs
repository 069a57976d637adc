using static TorchSharp.torch;

namespace LmKit;

/// <summary>A kind of norm over the last axis.</summary>
public abstract class NormKind : ComponentKind
{
    private protected NormKind(string name, Type optionsType)
        : base(ComponentSlot.Norm, name, optionsType)
    {
    }

    internal abstract nn.IModule<Tensor, Tensor> Create(object options, LayerContext layer);
}

/// <summary>A kind of norm over the last axis.</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class NormKind<TOptions>(string name, Func<TOptions, LayerContext, nn.IModule<Tensor, Tensor>> create)
    : NormKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override nn.IModule<Tensor, Tensor> Create(object options, LayerContext layer) => create((TOptions)options, layer);
}
