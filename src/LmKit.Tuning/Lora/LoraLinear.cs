using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A frozen linear with a trained low-rank update: y = f(x) + s (drop(x) A^T) B^T, s = alpha / r (Hu et al. 2021, Eq. 3).</summary>
/// <remarks>
/// <para>The base may be any linear, structured ones included. A is (R, I) and B (O, R), at least float32. Several adapters on one base
/// are several of these around each other. With weight decomposition (DoRA, dense bases only),
/// y = y0 + (m/n - 1)(y0 - b) + (m/n) s (x A^T) B^T with n the row norms of W + s B A, taken as constant.</para>
/// <para>Merged, calls in evaluation mode without gradients compute with one dense weight, the sum of the base and of every adapter up to
/// this one. The sum is kept beside the parameters, which merging never changes, so a saved model is the same merged or not. It is made
/// anew when a parameter changed (<see cref="ParameterCache{T}"/>), after switching and for another strength. Calls that train compute
/// unmerged; trainers refuse a merged model.</para>
/// <para>Merging and switching belong to one thread with no call running; calls may run side by side.</para>
/// </remarks>
public sealed partial class LoraLinear : nn.Module<Tensor, Tensor>, ILinear, IParameterHints, IPreparedWeights, ITrainingCheck, ILoraAdapter
{
    /// <summary>How a folder's names of A end.</summary>
    internal const string FirstEnding = ".lora_A.weight";

    /// <summary>How a folder's names of B end.</summary>
    internal const string SecondEnding = ".lora_B.weight";

    [ComponentName(Name = "base_layer")]
    private readonly ILinear inner;
    [ComponentName(Name = "lora_A")]
    private readonly Parameter A;
    [ComponentName(Name = "lora_B")]
    private readonly Parameter B;
    [ComponentName(Name = "lora_bias")]
    private readonly Parameter? shift;
    [ComponentName(Name = "lora_magnitude_vector")]
    private readonly Parameter? magnitude;
    [ComponentName(Name = "lora_dropout")]
    private readonly Dropout dropout;
    private readonly MergedMap map = new();
    private readonly LoraOptions own;
    private readonly string path;
    private readonly bool isRankStabilized;
    private readonly double dropoutRate;
    private double strength;
    private bool isEnabled;

    /// <summary>Puts an adapter around a linear and freezes the linear.</summary>
    /// <exception cref="ArgumentException">Weight decomposition is asked for on a base that is not dense, or a pattern gives an impossible value.</exception>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public LoraLinear(LoraOptions options, ILinear inner, LinearSite site)
        : this(options, inner, site, null)
    {
    }

    internal LoraLinear(LoraOptions options, ILinear inner, LinearSite site, LoraOptions? record)
        : base(nameof(LoraLinear))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(site);
        OptionsJson.Validate(options, site.Path);
        own = options.Copy();
        Record = record ?? own;
        path = site.Path;
        Rank = LoraPattern.Resolve(own.RankPattern, path, own.Rank, nameof(own.RankPattern));
        Alpha = LoraPattern.Resolve(own.AlphaPattern, path, own.Alpha, nameof(own.AlphaPattern));
        strength = LoraPattern.ResolveNamed(own.StrengthPattern, path, own.Strength, nameof(own.StrengthPattern));
        isEnabled = LoraPattern.ResolveNamed(own.EnabledPattern, path, own.IsEnabled, nameof(own.EnabledPattern));
        isRankStabilized = own.IsRankStabilized;
        dropoutRate = own.DropoutRate;
        if (Rank is < 1 or > 65536)
            throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(own.RankPattern)} = {Rank} at {path} is not a rank; a rank is 1 to 65536.", nameof(options));
        if (!double.IsFinite(Alpha))
            throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(own.AlphaPattern)} = {Alpha} at {path} is not finite.", nameof(options));
        if (!double.IsFinite(strength))
            throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(own.StrengthPattern)} = {strength} at {path} is not finite.", nameof(options));
        if (own.IsWeightDecomposed && inner is not DenseLinear)
            throw new ArgumentException($"{nameof(LoraOptions)}.{nameof(own.IsWeightDecomposed)} = true needs a dense layer; {path} is a {inner.GetType().Name}. Leave that site out, or use plain LoRA.", nameof(options));
        this.inner = inner;
        Chain = (inner as LoraLinear)?.Chain ?? new LoraChain(inner);
        if (inner is not LoraLinear)
            Freeze((nn.Module)inner);
        var parameters = site.Parameters.AtLeastFloat32();
        (A, B) = LoraFactors.Make(own.Initialization, own.InitializationDeviation, Rank, InFeatures, OutFeatures, parameters);
        shift = own.HasBias ? parameters.Constant(0, OutFeatures) : null;
        magnitude = own.IsWeightDecomposed ? parameters.From(_ => RowNorms(BaseWeight), OutFeatures) : null;
        dropout = site.Dropout(dropoutRate);
        RegisterComponents();
    }

    /// <summary>A copy of the options it was made with.</summary>
    public LoraOptions Options => own.Copy();

    /// <summary>Its rank r.</summary>
    public int Rank { get; }

    /// <summary>Its alpha.</summary>
    public double Alpha { get; }

    /// <summary>Whether it acts; false gives the base's output back bit for bit. Part of the model's configuration, so it is saved with the model.</summary>
    public bool IsEnabled
    {
        get => isEnabled;
        set
        {
            isEnabled = value;
            LoraPattern.Note(Record.EnabledPattern, path, value, Record.IsEnabled);
            Chain.Touch();
        }
    }

    /// <summary>A factor on the update, 1 by default. Part of the model's configuration, so it is saved with the model.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not finite.</exception>
    public double Strength
    {
        get => strength;
        set
        {
            if (!double.IsFinite(value))
                throw new ArgumentOutOfRangeException(nameof(value), value, $"The strength of {path} must be finite.");
            strength = value;
            LoraPattern.Note(Record.StrengthPattern, path, value, Record.Strength);
            Chain.Touch();
        }
    }

    /// <summary>Whether calls go through one weight that holds the base and the update.</summary>
    public bool IsMerged { get; private set; }

    /// <inheritdoc/>
    public long InFeatures => inner.InFeatures;

    /// <inheritdoc/>
    public long OutFeatures => inner.OutFeatures;

    internal LoraChain Chain { get; }

    internal LoraOptions Record { get; }

    LoraOptions ILoraAdapter.Record => Record;

    LoraOptions ILoraAdapter.Options => own;

    IEnumerable<AdapterPart> ILoraAdapter.Parts
    {
        get
        {
            yield return AdapterPart.Of(FirstEnding, A);
            yield return AdapterPart.Of(SecondEnding, B);
            if (shift is not null)
                yield return AdapterPart.Of(".lora_B.bias", shift);
            if (magnitude is not null)
                yield return AdapterPart.Of(".lora_magnitude_vector", magnitude);
        }
    }

    private double Scale => strength * Alpha / (isRankStabilized ? Math.Sqrt(Rank) : Rank);

    private bool Learns => training || (is_grad_enabled() && (A.requires_grad || B.requires_grad || shift?.requires_grad == true || magnitude?.requires_grad == true));

    private Tensor BaseWeight => ((nn.Module)Chain.Root).get_parameter("weight")!;

    /// <summary>Adapters do not decay.</summary>
    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(parameterName);
        return parameterName.StartsWith("lora_", StringComparison.Ordinal) ? new ParameterHint(Decays: false) : null;
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckWidth(x, InFeatures, GetName());
        if (IsMerged && isEnabled && !Learns)
            return map.Apply(x, CollectionsMarshal.AsSpan(Sources([])), Chain.Settings, Sum);
        if (!isEnabled)
            return inner.call(x);
        using var scope = NewDisposeScope();
        var shape = x.shape;
        var rows = shape[..^1].Aggregate(1L, (product, size) => product * size);
        shape[^1] = OutFeatures;
        var y0 = inner is DenseLinear dense && shape.Length != 2 ? dense.ForRows(x.reshape(rows, InFeatures)) : inner.call(x).reshape(rows, OutFeatures); // (N, O)
        var dropped = dropout.call(x).reshape(rows, InFeatures).to(A.dtype); // (N, I)
        var U = nn.functional.linear(dropped, A); // (N, R)
        var y = magnitude is null ? Updated(y0.to(A.dtype), U * Scale) : Decomposed(y0, dropped, U);
        if (shift is not null)
            y = y + shift * Scale;
        return y.to(y0.dtype).view(shape).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            map.Dispose();
        base.Dispose(disposing);
    }

    // A dense layer's output is nobody else's. B^T lies by rows, for which the products of backward are several times faster.
    private Tensor Updated(Tensor y0, Tensor U) => inner is DenseLinear
        ? y0.addmm_(U, B.t().contiguous(), 1, 1)
        : y0.addmm(U, B.t().contiguous(), 1, 1);

    private Tensor Decomposed(Tensor y0, Tensor dropped, Tensor U)
    {
        Tensor share;
        using (no_grad())
            share = RowNorms(BaseWeight.to(A.dtype) + Delta()).reciprocal(); // 1/n, constant for the gradient
        share = magnitude! * share; // m/n (O)
        var plain = training && dropoutRate > 0
            ? nn.functional.linear(dropped, BaseWeight.to(A.dtype))
            : Bias() is { } bias ? y0 - bias : y0;
        return y0 + (share - 1) * plain + share * nn.functional.linear(U, B) * Scale;
    }

    private Parameter? Bias() => ((nn.Module)Chain.Root).get_parameter("bias");

    private static Tensor AtLeastSingle(Tensor x) => x.dtype is ScalarType.Float64 or ScalarType.Float32 ? x.alias() : x.to(ScalarType.Float32);

    // A row of zeros keeps a length above zero, so that its share is 0 and not NaN.
    private static Tensor RowNorms(Tensor weight) => weight.norm(1).clamp_min(1e-30); // (O)

    private static void Freeze(nn.Module module)
    {
        foreach (var parameter in module.parameters())
            parameter.requires_grad_(false);
    }
}
