using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A frozen linear with a trained low-rank update: y = f(x) + s (drop(x) A^T) B^T, s = alpha / r (Hu et al. 2021, Eq. 3).</summary>
/// <remarks>
/// <para>The base may be any linear, structured ones included. A is (R, I) and B (O, R), at least float32. Several adapters on one base
/// are several of these around each other. With weight decomposition (DoRA, dense bases only),
/// y = y0 + (m/n - 1)(y0 - b) + (m/n) s (x A^T) B^T with n the row norms of W + s B A, taken as constant.</para>
/// <para>Merging and switching belong to one thread with no call running; calls may run side by side.</para>
/// </remarks>
public sealed class LoraLinear : nn.Module<Tensor, Tensor>, ILinear, IParameterHints
{
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
    private readonly MergedWeight merged;

    /// <summary>Puts an adapter around a linear and freezes the linear.</summary>
    /// <exception cref="ArgumentException">Weight decomposition is asked for on a base that is not dense.</exception>
    public LoraLinear(LoraOptions options, ILinear inner, LinearSite site)
        : base(nameof(LoraLinear))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentNullException.ThrowIfNull(site);
        Options = options;
        Rank = LoraPattern.Resolve(options.RankPattern, site.Path, options.Rank);
        Alpha = LoraPattern.Resolve(options.AlphaPattern, site.Path, options.Alpha);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Rank, "rank_pattern");
        if (options.IsWeightDecomposed && inner is not DenseLinear)
            throw new ArgumentException($"use_dora needs a dense layer; {site.Path} is a {inner.GetType().Name}. Leave that site out, or use plain LoRA.", nameof(options));
        this.inner = inner;
        merged = (inner as LoraLinear)?.merged ?? new MergedWeight(inner);
        if (inner is not LoraLinear)
            Freeze((nn.Module)inner);
        var parameters = site.Parameters.AtLeastFloat32();
        var bound = 1 / Math.Sqrt(InFeatures);
        A = options.Initialization == LoraInitialization.Gaussian
            ? parameters.Normal(1.0 / Rank, Rank, InFeatures)
            : parameters.Uniform(-bound, bound, Rank, InFeatures); // (R, I)
        B = parameters.Constant(0, OutFeatures, Rank); // (O, R)
        shift = options.HasBias ? parameters.Constant(0, OutFeatures) : null;
        magnitude = options.IsWeightDecomposed ? parameters.From(_ => RowNorms(BaseWeight), OutFeatures) : null;
        dropout = site.Dropout(options.DropoutRate);
        RegisterComponents();
    }

    /// <summary>The options it was made with.</summary>
    public LoraOptions Options { get; }

    /// <summary>Its rank r.</summary>
    public int Rank { get; }

    /// <summary>Its alpha.</summary>
    public double Alpha { get; }

    /// <summary>Whether it acts; false gives the base's output back bit for bit.</summary>
    public bool IsEnabled { get; set; } = true;

    /// <summary>A factor on the update, 1 by default.</summary>
    public double Strength { get; set; } = 1;

    /// <summary>Whether it is merged into the base.</summary>
    public bool IsMerged => merged.Contains(this);

    /// <inheritdoc/>
    public long InFeatures => inner.InFeatures;

    /// <inheritdoc/>
    public long OutFeatures => inner.OutFeatures;

    private double Scale => Strength * Alpha / (Options.IsRankStabilized ? Math.Sqrt(Rank) : Rank);

    private bool IsActive => IsEnabled && !IsMerged;

    private Tensor BaseWeight => ((nn.Module)merged.Root).get_parameter("weight")!;

    /// <summary>Adds the update to the base's weight, so that calls cost what the base costs.</summary>
    /// <param name="mode">What to do on a base that is not dense.</param>
    /// <returns>False when it was merged already, or stays beside a structured base.</returns>
    /// <exception cref="InvalidOperationException">The sum is not finite, or a bias has no place; nothing was changed.</exception>
    public bool Merge(MergeMode mode = MergeMode.KeepAdapter) => merged.Merge(this, mode);

    /// <summary>Takes the update out again; with no adapter left merged, the base is bit for bit what it was.</summary>
    public void Unmerge() => merged.Unmerge(this);

    /// <summary>Sets the lengths of weight decomposition to the base's own, for a base that was loaded after building.</summary>
    public void ResetMagnitude()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        magnitude?.copy_(RowNorms(BaseWeight + Delta()));
    }

    /// <summary>Adapters do not decay.</summary>
    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName)
    {
        ArgumentNullException.ThrowIfNull(parameterName);
        return parameterName.StartsWith("lora_", StringComparison.Ordinal) ? new ParameterHint(Decays: false) : null;
    }

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var dense = inner is LoraLinear ? inner.ToDense() : merged.ToDense();
        return (IsActive ? MergedInto(dense) : dense).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckWidth(x, InFeatures, GetName());
        using var scope = NewDisposeScope();
        var y0 = inner is LoraLinear ? inner.call(x) : merged.Call(x);
        if (!IsActive)
            return y0.MoveToOuterDisposeScope();
        var shape = y0.shape;
        var rows = shape[..^1].Aggregate(1L, (product, size) => product * size);
        var dropped = dropout.call(x).reshape(rows, InFeatures).to(A.dtype); // (N, I)
        var U = nn.functional.linear(dropped, A); // (N, R)
        var y = magnitude is null
            ? y0.reshape(rows, OutFeatures).to(A.dtype).addmm(U * Scale, B.t(), 1, 1)
            : Decomposed(y0.reshape(rows, OutFeatures), dropped, U);
        if (shift is not null)
            y = y + shift * Scale;
        return y.to(y0.dtype).view(shape).MoveToOuterDisposeScope();
    }

    internal Tensor? Shift() => shift is null ? null : shift * Scale;

    /// <summary>A base weight with the update: W + s B A, or (m/n)(W + s B A).</summary>
    internal Tensor MergedInto(Tensor weight)
    {
        using var scope = NewDisposeScope();
        var delta = Delta();
        if (magnitude is null)
            return (weight + delta.to(weight.dtype)).MoveToOuterDisposeScope();
        var sum = weight.to(delta.dtype) + delta;
        return ((magnitude / RowNorms(sum)).unsqueeze(1) * sum).to(weight.dtype).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            merged.Dispose();
        base.Dispose(disposing);
    }

    private Tensor Delta() => mm(B, A).mul_(Scale); // (O, I)

    private Tensor Decomposed(Tensor y0, Tensor dropped, Tensor U)
    {
        Tensor share;
        using (no_grad())
            share = RowNorms(BaseWeight.to(A.dtype) + Delta()).reciprocal(); // 1/n, constant for the gradient
        share = magnitude! * share; // m/n (O)
        var plain = training && Options.DropoutRate > 0
            ? nn.functional.linear(dropped, BaseWeight.to(A.dtype))
            : Bias() is { } bias ? y0 - bias : y0;
        return y0 + (share - 1) * plain + share * nn.functional.linear(U, B) * Scale;
    }

    private Parameter? Bias() => ((nn.Module)merged.Root).get_parameter("bias");

    private static Tensor RowNorms(Tensor weight) => weight.norm(1); // (O)

    private static void Freeze(nn.Module module)
    {
        foreach (var parameter in module.parameters())
            parameter.requires_grad_(false);
    }
}
