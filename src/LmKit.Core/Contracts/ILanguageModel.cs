using static TorchSharp.torch;

namespace LmKit;

/// <summary>A language model: tokens (B, L) int64 to logits (B, L, V).</summary>
/// <remarks><c>call</c> is <see cref="Hidden"/> followed by <see cref="Logits"/>; the two halves exist so that a loss or a
/// prefill pays for the head only where it needs it. Tokens at padding (segment -1) may hold any value.</remarks>
public interface ILanguageModel : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>Vocabulary size V.</summary>
    long VocabSize { get; }

    /// <summary>Whether every layer is causal, so that state can be carried.</summary>
    bool IsCausal { get; }

    /// <summary>The most tokens of one text that it can read; null where nothing bounds them.</summary>
    long? ContextLength => null;

    /// <summary>Makes the sampler that the model was configured with, over this model; null, the default, stands for plain next-token sampling.</summary>
    ISampler? CreateSampler() => null;

    /// <summary>Makes the state of all layers for <paramref name="batch"/> rows; the caller disposes it.</summary>
    /// <exception cref="NotSupportedException">A layer is not causal.</exception>
    MixerState NewState(long batch);

    /// <summary>Final hidden states (B, L, D), after the last norm.</summary>
    Tensor Hidden(Tensor tokens, SequenceContext? context = null);

    /// <summary>Logits (..., V) of hidden states (..., D).</summary>
    Tensor Logits(Tensor hidden);
}
