using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a component may ask for while it is built: its place, its parameters, linears by checkpoint name, and the other parts of its layer.</summary>
/// <remarks>Used on the building thread only; a layer keeps what it was handed, not the context.</remarks>
public sealed class LayerContext
{
    private readonly IPartSource parts;

    internal LayerContext(IPartSource parts, int layerIndex, string path, ParameterFactory parameters, Generator dropoutRandom, List<HookPoint>? hookPoints = null, long width = 0)
    {
        HookPoints = hookPoints ?? [];
        this.parts = parts;
        LayerIndex = layerIndex;
        Path = path;
        Parameters = parameters;
        DropoutRandom = dropoutRandom;
        Width = width > 0 ? width : parts.Options.ModelDim;
    }

    /// <summary>Model width D.</summary>
    public long ModelDim => parts.Options.ModelDim;

    /// <summary>Width of the last axis that this part works on: the model's, unless the component that asked for the part said another.</summary>
    public long Width { get; }

    /// <summary>Vocabulary size V of the model.</summary>
    public long VocabSize => parts.Options.VocabSize;

    /// <summary>Standard deviation of normal weights at the start.</summary>
    public double InitializerRange => parts.Options.InitializerRange;

    /// <summary>Number of layers of the model.</summary>
    public int LayerCount => parts.Options.LayerCount;

    /// <summary>The layer's index from 0; the layer count for what belongs to the model as a whole.</summary>
    public int LayerIndex { get; }

    /// <summary>Whether tokens see later tokens too.</summary>
    public bool IsBidirectional => parts.Options.IsBidirectional;

    /// <summary>Whether positions are already in the embedding, as a learned table.</summary>
    public bool HasLearnedPositions => parts.HasPositionTable;

    /// <summary>Sizes and model-wide treatment.</summary>
    internal LanguageModelOptions Options => parts.Options;

    /// <summary>The component name of what is being built, such as <c>layers.3.mixer</c>.</summary>
    public string Path { get; }

    /// <summary>Makes parameters.</summary>
    public ParameterFactory Parameters { get; }

    /// <summary>Every hook point made so far for this component and its parts.</summary>
    internal List<HookPoint> HookPoints { get; }

    private Generator DropoutRandom { get; }

    /// <summary>The context of a part of this component.</summary>
    /// <param name="name">The part's component name.</param>
    /// <param name="width">Width of the last axis that the part works on; 0 for the model's.</param>
    public LayerContext Within(string name, long width = 0) => new(parts, LayerIndex, $"{Path}.{name}", Parameters, DropoutRandom, HookPoints, width);

    /// <summary>Makes the linear that the configuration wants at a site of this component.</summary>
    /// <param name="name">Its component name, the checkpoint's where one exists.</param>
    /// <param name="inFeatures">Width of the input.</param>
    /// <param name="outFeatures">Width of the output.</param>
    /// <param name="hasBias">Whether it has a bias.</param>
    /// <param name="isResidualOutput">Whether it writes to the residual stream; a dense weight then starts smaller by
    /// sqrt(2 n_layer), as GPT-2's does.</param>
    /// <param name="startsAtZero">Whether the map is zero at the start.</param>
    public ILinear Linear(string name, long inFeatures, long outFeatures, bool hasBias = true, bool isResidualOutput = false, bool startsAtZero = false)
    {
        var range = Options.InitializerRange / (isResidualOutput ? Math.Sqrt(2.0 * LayerCount) : 1);
        return parts.CreateLinear(new LinearSite($"{Path}.{name}", LayerIndex, inFeatures, outFeatures, hasBias, range, Parameters)
        {
            Initializer = Options.Initializer,
            StartsAtZero = startsAtZero,
            IsOutsideLayers = LayerIndex == LayerCount,
        });
    }

    /// <summary>Makes the layer's mixer.</summary>
    /// <param name="name">Its component name.</param>
    public IMixer Mixer(string name = "mixer") => Part(Slots.Mixer, name);

    /// <summary>Makes the layer's feed-forward part.</summary>
    /// <param name="name">Its component name.</param>
    public nn.IModule<Tensor, Tensor> FeedForward(string name = "mlp") => Part(Slots.FeedForward, name);

    /// <summary>Makes a norm of the layer.</summary>
    /// <param name="name">Its component name.</param>
    /// <param name="width">Width of the axis it normalises; 0 for the model's.</param>
    public nn.IModule<Tensor, Tensor> Norm(string name, long width = 0) => Part(Slots.Norm, name, width);

    /// <summary>The attention mask of this layer.</summary>
    public IAttentionMask Mask() => parts.Create(Slots.Mask, LayerIndex, this);

    /// <summary>How positions reach the scores of this layer's attention; null for not at all.</summary>
    /// <param name="headCount">Query heads H.</param>
    /// <param name="headDim">Width P of a head.</param>
    public PositionEncoding? Positions(int headCount, long headDim) =>
        parts.CreatePositions(new PositionSite(this, headCount, headDim)) is { ActsOnScores: true } encoding ? encoding : null;

    /// <summary>Makes the table of positions that an embedding adds; null for none.</summary>
    public IPositionTable? PositionTable() => parts.CreatePositionTable(this);

    /// <summary>Makes a place in this component where activations can be read and edited, and lists it among the model's
    /// (<c>LanguageModel.HookPoints</c>); the component passes its activation through it in every call.</summary>
    /// <param name="name">Its name, such as <c>z</c>; the component's path goes before it.</param>
    public HookPoint HookPoint(string name)
    {
        var point = new HookPoint($"{Path}.{name}");
        HookPoints.Add(point);
        return point;
    }

    /// <summary>Dropout that draws from the model's own generator.</summary>
    /// <param name="rate">The probability of zeroing an entry.</param>
    public Dropout Dropout(double rate) => new(rate, DropoutRandom);

    /// <summary>The dropout that the model wants on each residual branch (<see cref="LanguageModelOptions.ResidualDropoutRate"/>). A block asks
    /// for it and applies it; a model that wants it of a block that never asks is refused.</summary>
    public Dropout ResidualDropout()
    {
        parts.Note(nameof(LanguageModelOptions.ResidualDropoutRate), LayerIndex);
        return Dropout(Options.ResidualDropoutRate);
    }

    /// <summary>The dropout that the model wants on what its embedding gives (<see cref="LanguageModelOptions.EmbeddingDropoutRate"/>). An
    /// embedding asks for it and applies it; a model that wants it of an embedding that never asks is refused.</summary>
    public Dropout EmbeddingDropout()
    {
        parts.Note(nameof(LanguageModelOptions.EmbeddingDropoutRate), LayerIndex);
        return Dropout(Options.EmbeddingDropoutRate);
    }

    /// <summary>Says that this part takes the condition (<see cref="SequenceContext.Condition"/>), and gives its width C. A model with a
    /// conditioning is refused where no part of some layer takes it.</summary>
    /// <exception cref="ArgumentException">The model has no conditioning.</exception>
    public long TakeCondition()
    {
        parts.Note(nameof(SequenceContext.Condition), LayerIndex);
        return parts.ConditionDim ?? throw new ArgumentException($"{Path} takes a condition, and the model has no conditioning; add one (AddTimestepConditioning of LmKit.Diffusion, or a kind of {nameof(Slots)}.{nameof(Slots.Conditioning)} of your own).");
    }

    internal ILinear Head(long vocabSize, bool hasBias, bool startsAtZero, Func<Parameter>? table) =>
        parts.CreateLinear(new LinearSite(LinearSite.Head, LayerIndex, ModelDim, vocabSize, hasBias, Options.InitializerRange, Parameters)
        {
            Initializer = Options.Initializer,
            StartsAtZero = startsAtZero,
            IsOutsideLayers = true,
            Table = table,
        });

    private TPart Part<TPart>(Slot<TPart, LayerContext> slot, string name, long width = 0)
        where TPart : class
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return parts.Create(slot, LayerIndex, Within(name, width));
    }
}

/// <summary>Where a component's parts come from while it is built: the configuration, resolved.</summary>
internal interface IPartSource
{
    /// <summary>Sizes and model-wide treatment.</summary>
    LanguageModelOptions Options { get; }

    /// <summary>Makes the part that the configuration wants in a slot of a layer.</summary>
    TPart Create<TPart, TPlace>(Slot<TPart, TPlace> slot, int layer, TPlace place)
        where TPart : class
        where TPlace : class;

    /// <summary>Makes the encoding of the scores of a layer's attention.</summary>
    PositionEncoding CreatePositions(PositionSite site);

    /// <summary>Makes the linear of a site with its wrappers.</summary>
    ILinear CreateLinear(LinearSite site);

    /// <summary>Notes that a part of a layer obeys an option of the model.</summary>
    void Note(string option, int layer);

    /// <summary>Width of the condition; null without a conditioning.</summary>
    long? ConditionDim { get; }

    /// <summary>Whether the embedding adds a table of positions.</summary>
    bool HasPositionTable { get; }

    /// <summary>Makes the table of positions that the embedding adds; null for none.</summary>
    IPositionTable? CreatePositionTable(LayerContext embedding);
}
