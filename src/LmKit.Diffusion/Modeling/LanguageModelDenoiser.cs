using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Any bidirectional language model as denoiser: whatever mixers and linears it is composed of, without time conditioning.</summary>
public sealed class LanguageModelDenoiser : ISplitDenoiser
{
    private readonly ILanguageModel model;
    private readonly SequenceContext? context;

    /// <summary>Makes the denoiser.</summary>
    /// <param name="model">A bidirectional model; not disposed.</param>
    /// <param name="maskId">Token id of the mask, counted in the model's vocabulary.</param>
    /// <exception cref="ArgumentException">The model is causal, or the mask id lies outside its vocabulary.</exception>
    public LanguageModelDenoiser(ILanguageModel model, long maskId)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.IsCausal)
            throw new ArgumentException($"A denoiser sees tokens on both sides, and this model's mixers are causal; set {nameof(LanguageModelOptions.IsBidirectional)} and use mixers that can be.", nameof(model));
        MaskingProcess.CheckMaskId(maskId, model.VocabSize);
        this.model = model;
        MaskId = maskId;
    }

    private LanguageModelDenoiser(ILanguageModel model, long maskId, HookEdits edits)
        : this(model, maskId)
    {
        edits.Check(model);
        context = new SequenceContext { Edits = edits };
    }

    internal nn.Module? Network => model as nn.Module;

    /// <inheritdoc/>
    public long VocabSize => model.VocabSize;

    /// <inheritdoc/>
    public long MaskId { get; }

    /// <inheritdoc/>
    public bool IsTimeConditioned => false;

    /// <inheritdoc/>
    public IDenoiser Edited(HookEdits edits)
    {
        ArgumentNullException.ThrowIfNull(edits);
        return new LanguageModelDenoiser(model, MaskId, edits);
    }

    /// <inheritdoc/>
    public Tensor Hidden(Tensor tokens, Tensor level) => model.Hidden(tokens, context);

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        using var logits = model.Logits(rows);
        return SubsParameterization.OfMasked(logits, MaskId);
    }

    /// <inheritdoc/>
    public Tensor call(Tensor tokens, Tensor level)
    {
        using var logits = model.call(tokens, context);
        return SubsParameterization.Apply(logits, tokens, MaskId);
    }
}
