using static TorchSharp.torch;

namespace LmKit;

/// <summary>The places of a model that components fill or wrap.</summary>
public static class Slots
{
    /// <summary>The layout of a layer: which norms, mixer and feed-forward part in which order.</summary>
    public static readonly Slot<IBlock, LayerContext> Block = new("block", 0, SlotScope.Layers);

    /// <summary>The sequence mixer of a layer.</summary>
    public static readonly Slot<IMixer, LayerContext> Mixer = new("mixer", 1, SlotScope.Layers);

    /// <summary>The attention mask of a layer.</summary>
    public static readonly Slot<IAttentionMask, LayerContext> Mask = new("mask", 2, SlotScope.Layers);

    /// <summary>How positions reach the scores of a layer's attention, or the embedding.</summary>
    public static readonly Slot<PositionEncoding, PositionSite> Positions = new("positions", 3, SlotScope.Layers);

    /// <summary>The feed-forward part of a layer, (..., D) to (..., D).</summary>
    public static readonly Slot<nn.IModule<Tensor, Tensor>, LayerContext> FeedForward = new("feed_forward", 4, SlotScope.Layers);

    /// <summary>The norms over the last axis, <see cref="LayerContext.Width"/> wide; a layer's, or the model's last one, whose layer is the layer count. A last
    /// norm that is also an <c>nn.IModule&lt;Tensor, Tensor, Tensor&gt;</c> is called with the condition as its second argument.</summary>
    public static readonly Slot<nn.IModule<Tensor, Tensor>, LayerContext> Norm = new("norm", 5, SlotScope.Layers);

    /// <summary>The linear maps of mixers, feed-forward parts and the head, by site.</summary>
    public static readonly Slot<ILinear, LinearSite> Linear = new("linear", 6, SlotScope.Sites);

    /// <summary>Wrappers around linear maps; the first added is the outermost.</summary>
    public static readonly Slot<ILinear, WrappedSite> LinearWrapper = new("linear_wrapper", 7, SlotScope.Sites);

    /// <summary>The embedding: tokens (B, L) to (B, L, D).</summary>
    public static readonly Slot<IEmbedding, LayerContext> Embedding = new("embedding", 8, SlotScope.Model);

    /// <summary>The head: hidden states (..., D) to logits (..., V).</summary>
    public static readonly Slot<LanguageModelHead, HeadSite> Head = new("head", 9, SlotScope.Model);

    /// <summary>The sampler.</summary>
    public static readonly Slot<ISampler, ILanguageModel> Sampler = new("sampler", 10, SlotScope.Model);

    /// <summary>Dictionaries of a layer's activations, such as sparse autoencoders.</summary>
    public static readonly Slot<IDictionary, DictionarySite> Dictionary = new("dictionary", 11, SlotScope.Layers);

    /// <summary>What makes the condition of a model's blocks from noise levels; a model has none unless one is added.</summary>
    public static readonly Slot<IConditioning, LayerContext> Conditioning = new("conditioning", 12, SlotScope.Model);

    /// <summary>All slots.</summary>
    public static IReadOnlyList<Slot> All { get; } =
        [Block, Mixer, Mask, Positions, FeedForward, Norm, Linear, LinearWrapper, Embedding, Head, Sampler, Dictionary, Conditioning];
}
