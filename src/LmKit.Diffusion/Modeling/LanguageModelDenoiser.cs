using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Any bidirectional language model as denoiser, whatever mixers, linears and blocks it is composed of: SUBS log-probabilities, and the
/// level replaced by 0 without time conditioning.</summary>
/// <remarks>Published text models have a conditioning and are trained without true levels: they see level 0 at every step, in training and
/// sampling. A model without a conditioning is told nothing.</remarks>
public sealed class LanguageModelDenoiser : ISplitDenoiser, IRawDenoiser
{
    private readonly ILanguageModel model;
    private readonly IConditioning? conditioning;
    private readonly HookEdits? edits;

    /// <summary>Makes the denoiser.</summary>
    /// <param name="model">A bidirectional model; not disposed.</param>
    /// <param name="maskId">Token id of the mask, counted in the model's vocabulary.</param>
    /// <param name="isTimeConditioned">Whether the model was trained on true levels; null for what its conditioning says
    /// (<see cref="TimestepEmbedding.IsTimeConditioned"/>).</param>
    /// <exception cref="ArgumentException">The model is causal, the mask id lies outside its vocabulary, or it has no conditioning that could be told
    /// true levels.</exception>
    public LanguageModelDenoiser(ILanguageModel model, long maskId, bool? isTimeConditioned = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (model.IsCausal)
            throw new ArgumentException($"A denoiser sees tokens on both sides, and this model's mixers are causal; set {nameof(LanguageModelOptions.IsBidirectional)} and use mixers that can be.", nameof(model));
        MaskingProcess.CheckMaskId(maskId, model.VocabSize);
        conditioning = model.Conditioning;
        if (conditioning is null && isTimeConditioned == true)
            throw new ArgumentException($"A denoiser that is told true levels needs a model with a conditioning, and this one has none; add one ({nameof(DiffusionModelComponents.AddTimestepConditioning)}).", nameof(isTimeConditioned));
        this.model = model;
        MaskId = maskId;
        var timestep = conditioning as TimestepEmbedding;
        IsTimeConditioned = isTimeConditioned ?? timestep?.IsTimeConditioned ?? false;
        Scale = timestep?.Scale ?? LevelScale.TotalNoise;
    }

    private LanguageModelDenoiser(LanguageModelDenoiser other, HookEdits edits)
        : this(other.model, other.MaskId, other.IsTimeConditioned)
    {
        edits.Check(model);
        this.edits = other.edits is null ? edits : other.edits.And(edits);
    }

    /// <summary>Whether its calls are edited.</summary>
    internal bool IsEdited => edits is not null;

    /// <summary>The longest text that the model reads; null for no bound.</summary>
    internal long? ContextLength => model.ContextLength;

    internal nn.Module? Network => model as nn.Module;

    /// <inheritdoc/>
    public long VocabSize => model.VocabSize;

    /// <inheritdoc/>
    public long MaskId { get; }

    /// <inheritdoc/>
    public bool IsTimeConditioned { get; }

    /// <summary>The scale that the model was made for (<see cref="TimestepEmbeddingOptions.Scale"/>).</summary>
    public LevelScale Scale { get; }

    /// <inheritdoc/>
    public IDenoiser Edited(HookEdits edits)
    {
        ArgumentNullException.ThrowIfNull(edits);
        return new LanguageModelDenoiser(this, edits);
    }

    /// <inheritdoc/>
    public Tensor Hidden(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        return model.Hidden(tokens, Context(tokens, level)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor LogProbabilities(Tensor rows)
    {
        using var logits = model.Logits(rows);
        return SubsParameterization.OfMasked(logits, MaskId);
    }

    /// <inheritdoc/>
    public Tensor call(Tensor tokens, Tensor level)
    {
        using var scope = NewDisposeScope();
        return SubsParameterization.Apply(model.call(tokens, Context(tokens, level)), tokens, MaskId).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor RawLogits(Tensor tokens, Tensor level) => model.call(tokens, conditioning is null && edits is null ? null : new SequenceContext { Level = conditioning is null ? null : level.to(tokens.device), Edits = edits });

    // One zero for all rows: the modulation is then the same constant for each and is computed once.
    private SequenceContext? Context(Tensor tokens, Tensor level)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(LanguageModelDenoiser));
        TensorCheck.CheckAlive(level, nameof(level), nameof(LanguageModelDenoiser));
        if (conditioning is null)
            return edits is null ? null : new SequenceContext { Edits = edits };
        return new SequenceContext { Level = IsTimeConditioned ? level.to(tokens.device) : zeros(1, device: tokens.device), Edits = edits };
    }
}
