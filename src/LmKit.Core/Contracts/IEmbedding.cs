using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A model's first step: tokens (B, L) int64 to (B, L, D).</summary>
/// <remarks>Tokens may also be soft rows (B, L, V) floating, logits whose softmax mixes the tokens' vectors; an embedding that takes no soft rows
/// refuses them by its name. An embedding derives from <c>torch.nn.Module</c>, so that its parameters are found. Padding (segment -1) may hold any token.</remarks>
public interface IEmbedding : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>The table (V, D) that a tied head multiplies by; null when there is none to tie to.</summary>
    Parameter? Table { get; }

    /// <summary>The most tokens of one text that it can embed; null where nothing bounds them.</summary>
    long? ContextLength => null;
}

/// <summary>What a head slot puts into a model.</summary>
/// <param name="Map">Hidden states (..., D) to (..., V); registered as <c>lm_head</c>. It derives from <c>torch.nn.Module</c>.</param>
/// <param name="Transform">Applied to what the map gives, such as a soft cap; null for nothing.</param>
public sealed record LanguageModelHead(nn.IModule<Tensor, Tensor> Map, Func<Tensor, Tensor>? Transform = null);

/// <summary>What a head is told while it is built.</summary>
/// <param name="Layer">Sizes, parameters and place.</param>
/// <param name="VocabSize">Vocabulary size V.</param>
/// <param name="Embedding">The model's embedding.</param>
/// <param name="IsTied">Whether the head multiplies by the embedding's table; a head that then does not take it is refused.</param>
public sealed record HeadSite(LayerContext Layer, long VocabSize, IEmbedding Embedding, bool IsTied)
{
    /// <summary>Whether a tied head took the table.</summary>
    internal bool IsTableTaken { get; private set; }

    /// <summary>Takes the table (V, D) of a tied head, for a head that is not the linear at <see cref="LinearSite.Head"/>. A field that held it
    /// would register it a second time, so the head keeps this function.</summary>
    /// <exception cref="InvalidOperationException">The head is not tied.</exception>
    /// <exception cref="ArgumentException">The embedding has no table.</exception>
    public Func<Parameter> TakeTable()
    {
        if (!IsTied)
            throw new InvalidOperationException($"The head is not tied to the embedding; make a weight with {nameof(Layer)}.{nameof(LayerContext.Parameters)}.");
        IsTableTaken = true;
        return Embedding.Table is not null
            ? () => Embedding.Table!
            : throw new ArgumentException($"{nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsHeadTied)} = true, but {Embedding.GetType().Name} has no table to tie the head to; set it to false.");
    }

    /// <summary>Makes the linear that the configuration wants at <see cref="LinearSite.Head"/>: over the embedding's table when tied.</summary>
    /// <param name="hasBias">Whether it has a bias.</param>
    /// <param name="startsAtZero">Whether the logits are zero at the start.</param>
    /// <exception cref="ArgumentException">The head is tied, and the embedding has no table.</exception>
    public ILinear Linear(bool hasBias = false, bool startsAtZero = false) => Layer.Head(VocabSize, hasBias, startsAtZero, IsTied ? TakeTable() : null);
}

/// <summary>A layer: (B, L, D) to (B, L, D), with its norms, its mixer and its feed-forward part.</summary>
/// <remarks>The laws are those of <see cref="IMixer"/>: a call may be cut anywhere when the state is carried, and neither padding nor
/// another document changes an output. A block derives from <c>torch.nn.Module</c>, so that its parameters are found.</remarks>
public interface IBlock : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>Whether no token sees a later one, so that state can be carried.</summary>
    bool IsCausal { get; }

    /// <summary>Makes the state for <paramref name="batch"/> rows at the start of a sequence; the caller disposes it.</summary>
    /// <exception cref="NotSupportedException">The block is not causal.</exception>
    MixerState NewState(long batch);
}
