using System.Collections.ObjectModel;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A language model: tokens (B, L) int64 to logits (B, L, V).</summary>
/// <remarks><c>call</c> is <see cref="Hidden"/> followed by <see cref="Logits"/>; the two halves exist so that a loss or a
/// prefill pays for the head only where it needs it. Tokens at padding (segment -1) may hold any value. In place of tokens a model takes the soft
/// rows (B, L, V) that its embedding takes (<see cref="IEmbedding"/>).</remarks>
public interface ILanguageModel : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>Vocabulary size V.</summary>
    long VocabSize { get; }

    /// <summary>Whether every layer is causal, so that state can be carried.</summary>
    bool IsCausal { get; }

    /// <summary>The most tokens of one text that it can read; null where nothing bounds them.</summary>
    long? ContextLength => null;

    /// <summary>What makes the condition of its blocks from <see cref="SequenceContext.Level"/>; null, the default, for a model that is told no level.</summary>
    IConditioning? Conditioning => null;

    /// <summary>The places where activations can be read and edited, by name; none by default.</summary>
    IReadOnlyDictionary<string, HookPoint> HookPoints => ReadOnlyDictionary<string, HookPoint>.Empty;

    /// <summary>Makes the sampler that the model was configured with, over this model; null, the default, stands for plain next-token sampling.</summary>
    ISampler? CreateSampler() => null;

    /// <summary>The parameters that <see cref="Logits"/> reads, each once. A loss then makes the logits of a few rows at a time and hands gradients
    /// to these alone. Null, the default, says that they are not known: a loss makes all logits at once. A model around another answers
    /// what that one answers.</summary>
    IReadOnlyList<Parameter>? HeadParameters => null;

    /// <summary>Makes the state of all layers for <paramref name="batch"/> rows; the caller disposes it.</summary>
    /// <exception cref="NotSupportedException">A layer is not causal.</exception>
    MixerState NewState(long batch);

    /// <summary>Final hidden states (B, L, D), after the last norm.</summary>
    Tensor Hidden(Tensor tokens, SequenceContext? context = null);

    /// <summary>Logits (..., V) of hidden states (..., D).</summary>
    Tensor Logits(Tensor hidden);
}

/// <summary>A module that knows how some of its own parameters want to be trained.</summary>
public interface IParameterHints
{
    /// <summary>The hint for one of the module's own parameters, or null for the default treatment.</summary>
    /// <param name="parameterName">The parameter's component name within the module.</param>
    ParameterHint? Hint(string parameterName);
}

/// <summary>How one parameter departs from the default treatment in training.</summary>
/// <param name="LearningRateScale">Factor on the learning rate.</param>
/// <param name="MaxLearningRate">Upper bound of the peak learning rate, or null for none.</param>
/// <param name="Decays">Whether weight decay acts; null leaves it to the run's <see cref="DecayScope"/>.</param>
/// <param name="IsVector">Whether it counts among the vectors however many axes it has, as a table of embeddings does.</param>
public sealed record ParameterHint(double LearningRateScale = 1, double? MaxLearningRate = null, bool? Decays = null, bool IsVector = false);

/// <summary>A module that keeps something made from its parameters for fast inference, such as weights in another layout.</summary>
/// <remarks>A <see cref="ParameterCache{T}"/> notices by itself that parameters changed. This is for what it cannot see: whoever writes into their
/// memory past libtorch calls <see cref="ForgetAll"/>. LmKit's loading and averaging do too, for parts that notice less.</remarks>
public interface IPreparedWeights
{
    /// <summary>Drops what was made; the next call makes it anew.</summary>
    void Forget();

    /// <summary>Lets a module and everything in it forget.</summary>
    static void ForgetAll(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var part in module.modules().Prepend(module).OfType<IPreparedWeights>())
            part.Forget();
    }
}
