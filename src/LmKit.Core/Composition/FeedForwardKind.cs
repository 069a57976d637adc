using static TorchSharp.torch;

namespace LmKit;

/// <summary>A kind of feed-forward part, (..., D) to (..., D).</summary>
public abstract class FeedForwardKind : ComponentKind
{
    private protected FeedForwardKind(string name, Type optionsType)
        : base(ComponentSlot.FeedForward, name, optionsType)
    {
    }

    internal abstract nn.IModule<Tensor, Tensor> Create(object options, LayerContext layer);
}

/// <summary>A kind of feed-forward part, (..., D) to (..., D).</summary>
/// <typeparam name="TOptions">Its options.</typeparam>
/// <param name="name">The kind's name in configurations.</param>
/// <param name="create">Builds the component from validated options.</param>
public sealed class FeedForwardKind<TOptions>(string name, Func<TOptions, LayerContext, nn.IModule<Tensor, Tensor>> create)
    : FeedForwardKind(name, typeof(TOptions))
    where TOptions : class, new()
{
    internal override nn.IModule<Tensor, Tensor> Create(object options, LayerContext layer) => create((TOptions)options, layer);
}
