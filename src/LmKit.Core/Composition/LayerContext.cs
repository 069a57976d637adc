using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a layer may ask for while it is built: its place, its parameters, linears by checkpoint name, its mask.</summary>
/// <remarks>Used on the building thread only; a layer keeps what it was handed, not the context.</remarks>
public sealed class LayerContext
{
    private readonly ModelPlan plan;

    internal LayerContext(ModelPlan plan, int layerIndex, string path, ParameterFactory parameters, Generator dropoutRandom, List<HookPoint>? hookPoints = null)
    {
        HookPoints = hookPoints ?? [];
        this.plan = plan;
        LayerIndex = layerIndex;
        Path = path;
        Parameters = parameters;
        DropoutRandom = dropoutRandom;
    }

    /// <summary>Model width D.</summary>
    public long ModelDim => plan.Options.ModelDim;

    /// <summary>Number of layers of the model.</summary>
    public int LayerCount => plan.Options.LayerCount;

    /// <summary>The layer's index from 0.</summary>
    public int LayerIndex { get; }

    /// <summary>Whether tokens see later tokens too.</summary>
    public bool IsBidirectional => plan.Options.IsBidirectional;

    /// <summary>Whether positions are already in the embedding, as a learned table.</summary>
    public bool HasLearnedPositions => plan.Options.LearnedPositionCount > 0;

    /// <summary>The component name of what is being built, such as <c>layers.3.mixer</c>.</summary>
    public string Path { get; }

    /// <summary>Makes parameters.</summary>
    public ParameterFactory Parameters { get; }

    /// <summary>Every hook point made so far for this component and its parts.</summary>
    internal List<HookPoint> HookPoints { get; }

    private Generator DropoutRandom { get; }

    /// <summary>The context of a part of this component.</summary>
    /// <param name="name">The part's component name.</param>
    public LayerContext Within(string name) => new(plan, LayerIndex, $"{Path}.{name}", Parameters, DropoutRandom, HookPoints);

    /// <summary>Makes the linear that the configuration wants at a site of this component.</summary>
    /// <param name="name">Its component name, the checkpoint's where one exists.</param>
    /// <param name="inFeatures">Width of the input.</param>
    /// <param name="outFeatures">Width of the output.</param>
    /// <param name="hasBias">Whether it has a bias.</param>
    /// <param name="isResidualOutput">Whether it writes to the residual stream; a dense weight then starts smaller by
    /// sqrt(2 n_layer), as GPT-2's does.</param>
    public ILinear Linear(string name, long inFeatures, long outFeatures, bool hasBias = true, bool isResidualOutput = false)
    {
        var range = plan.Options.InitializerRange / (isResidualOutput ? Math.Sqrt(2.0 * LayerCount) : 1);
        return plan.CreateLinear(new LinearSite($"{Path}.{name}", LayerIndex, inFeatures, outFeatures, hasBias, range, Parameters));
    }

    /// <summary>Makes a place in this component where activations can be read and edited, and lists it among the model's
    /// (<see cref="LanguageModel.HookPoints"/>); the component passes its activation through it in every call.</summary>
    /// <param name="name">Its name, such as <c>z</c>; the component's path goes before it.</param>
    public HookPoint HookPoint(string name)
    {
        var point = new HookPoint($"{Path}.{name}");
        HookPoints.Add(point);
        return point;
    }

    /// <summary>The attention mask of this layer.</summary>
    public IAttentionMask Mask() => plan.CreateMask(this);

    /// <summary>Dropout that draws from the model's own generator.</summary>
    /// <param name="rate">The probability of zeroing an entry.</param>
    public Dropout Dropout(double rate) => new(rate, DropoutRandom);
}
