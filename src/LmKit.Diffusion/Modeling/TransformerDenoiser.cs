using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A diffusion transformer as denoiser: SUBS log-probabilities, and the level replaced by 0 without time conditioning.</summary>
/// <remarks>Published text models are trained without time conditioning: they see level 0 at every step, in training and sampling.</remarks>
public sealed class TransformerDenoiser : ISplitDenoiser
{
    private readonly DiffusionTransformer transformer;

    /// <summary>Makes the denoiser.</summary>
    /// <param name="transformer">The network; not disposed.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="isTimeConditioned">Whether the network was trained on true levels.</param>
    /// <exception cref="ArgumentException">The mask id lies outside the vocabulary.</exception>
    public TransformerDenoiser(DiffusionTransformer transformer, long maskId, bool isTimeConditioned = false)
    {
        ArgumentNullException.ThrowIfNull(transformer);
        MaskingProcess.CheckMaskId(maskId, transformer.Options.VocabSize);
        this.transformer = transformer;
        MaskId = maskId;
        IsTimeConditioned = isTimeConditioned;
    }

    internal DiffusionTransformer Network => transformer;

    /// <inheritdoc/>
    public long VocabSize => transformer.Options.VocabSize;

    /// <inheritdoc/>
    public long MaskId { get; }

    /// <inheritdoc/>
    public bool IsTimeConditioned { get; }

    /// <summary>The scale that the transformer was made for (<see cref="DiffusionTransformerOptions.Scale"/>).</summary>
    public LevelScale Scale => transformer.Options.Scale;

    /// <inheritdoc/>
    public Tensor Hidden(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        return transformer.Hidden(tokens, Level(tokens, level)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        using var logits = transformer.Logits(rows);
        return SubsParameterization.OfMasked(logits, MaskId);
    }

    /// <inheritdoc/>
    public Tensor call(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        return SubsParameterization.Apply(transformer.call(tokens, Level(tokens, level)), tokens, MaskId).MoveToOuterDisposeScope();
    }

    // One zero for all rows: the modulation is then the same constant for each and is computed once.
    private Tensor Level(Tensor tokens, Tensor level)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(TransformerDenoiser));
        TensorCheck.CheckAlive(level, nameof(level), nameof(TransformerDenoiser));
        return IsTimeConditioned ? level.to(HalfPrecision.Wide(transformer.Dtype), tokens.device) : zeros(1, HalfPrecision.Wide(transformer.Dtype), tokens.device);
    }
}
