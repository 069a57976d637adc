using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>An affine map on the last axis, dense or structured, from (..., I) to (..., O).</summary>
/// <remarks>Law: <c>call(x) = x ToDense()^T + call(0)</c>. Leading axes may be of any number, none included, and empty.
/// Safe for concurrent calls as long as its parameters do not change.</remarks>
public interface ILinear : nn.IModule<Tensor, Tensor>
{
    /// <summary>Width I of the input.</summary>
    long InFeatures { get; }

    /// <summary>Width O of the output.</summary>
    long OutFeatures { get; }

    /// <summary>The same map as a dense weight (O, I), without the bias; the caller disposes it.</summary>
    Tensor ToDense();
}

/// <summary>Where a linear map stands and what is asked of it.</summary>
/// <param name="Path">Its full component name, such as <c>layers.3.mixer.q_proj</c>.</param>
/// <param name="LayerIndex">The layer it stands in.</param>
/// <param name="InFeatures">Width of the input.</param>
/// <param name="OutFeatures">Width of the output.</param>
/// <param name="HasBias">Whether a bias is asked for.</param>
/// <param name="InitializerRange">Standard deviation of a dense weight that starts normal.</param>
/// <param name="Parameters">Makes the parameters.</param>
public sealed record LinearSite(
    string Path,
    int LayerIndex,
    long InFeatures,
    long OutFeatures,
    bool HasBias,
    double InitializerRange,
    ParameterFactory Parameters)
{
    /// <summary>The head's path. The head is not a linear of a layer: only a component that names this path among its sites reaches it.</summary>
    public const string Head = "lm_head";

    private Func<Parameter>? table;

    /// <summary>Whether the weight is the embedding's table, which the linear computes from instead of owning one.</summary>
    public bool IsTied => table is not null;

    /// <summary>Whether the map is zero at the start, bias included, as that of a modulation is; a linear obeys or refuses.</summary>
    public bool StartsAtZero { get; init; }

    /// <summary>Whether it belongs to the model as a whole: only a component that names its path among its sites reaches it.</summary>
    internal bool IsOutsideLayers { get; init; }

    internal WeightInitializer Initializer { get; init; }

    /// <summary>Whether a site pattern of a component reaches this site: its whole path where it is outside the layers.</summary>
    internal bool IsReachedBy(string pattern) => IsOutsideLayers || Path == Head ? Path == pattern : Matches(pattern);

    internal Func<Parameter>? Table { init => table = value; }

    /// <summary>Makes a dense weight (O, I) with the initial values that the model wants here.</summary>
    public Parameter CreateWeight() => StartsAtZero ? Parameters.Constant(0, OutFeatures, InFeatures) : Initializer.Weight(Parameters, InitializerRange, OutFeatures, InFeatures);

    /// <summary>Makes the bias (O) of a dense weight with the initial values that the model wants here; null where none is asked for.</summary>
    public Parameter? CreateBias() => !HasBias ? null : StartsAtZero ? Parameters.Constant(0, OutFeatures) : Initializer.Bias(Parameters, OutFeatures, InFeatures);

    /// <summary>Whether a linear asked for the table.</summary>
    internal bool IsTableTaken { get; private set; }

    /// <summary>Takes the table (O, I) of a tied site as the linear's weight. A field that held it would register it a second time, so
    /// the linear keeps this function.</summary>
    /// <exception cref="InvalidOperationException">The site is not tied.</exception>
    public Func<Parameter> TakeTable()
    {
        IsTableTaken = true;
        return table ?? throw new InvalidOperationException($"{Path} is not tied to the embedding; make a weight with {nameof(Parameters)}.");
    }

    /// <summary>Dropout that draws from the model's own generator, for what wraps a linear.</summary>
    /// <param name="rate">The probability of zeroing an entry.</param>
    public Dropout Dropout(double rate) => new(rate, Parameters.Random);

    /// <summary>Whether a site pattern names this site: the whole path or its last segments, with * for any one segment.</summary>
    /// <param name="pattern">Such as <c>q_proj</c>, <c>mlp.*</c> or <c>layers.0.mixer.q_proj</c>.</param>
    public bool Matches(string pattern)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(pattern);
        var wanted = pattern.Split('.');
        var have = Path.Split('.');
        return wanted.Length <= have.Length
            && wanted.Zip(have[^wanted.Length..]).All(pair => pair.First == "*" || pair.First == pair.Second);
    }
}

/// <summary>A linear that a wrapper is put around, and where it stands.</summary>
/// <param name="Inner">The linear; the wrapper owns it.</param>
/// <param name="Site">Where.</param>
public sealed record WrappedSite(ILinear Inner, LinearSite Site);

/// <summary>Where positions act: a layer's attention.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="HeadCount">Query heads H.</param>
/// <param name="HeadDim">Width P of a head.</param>
public sealed record PositionSite(LayerContext Layer, int HeadCount, long HeadDim);

/// <summary>What a dictionary is told while it is made.</summary>
/// <param name="Parameters">Makes its parameters.</param>
/// <param name="Layer">The layer of the model whose configuration names it; null for one made by itself.</param>
public sealed record DictionarySite(ParameterFactory Parameters, LayerContext? Layer = null);
