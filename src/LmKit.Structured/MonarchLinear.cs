using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The Monarch linear y = M x + b with M = P2 L P1 R (Dao et al. 2022, Definition 1).</summary>
/// <remarks>
/// <para>With nb blocks the widths are padded to nb ib and nb ob; R is (nb, c, ib) and L (nb, ob, c), c = min(ib, ob). It holds
/// nb c (ib + ob) parameters beside the bias. Component names and shapes are those of the authors' code.</para>
/// <para>More blocks than c, or than features, are legal: some slices of M are then zero by structure.</para>
/// </remarks>
public sealed class MonarchLinear : nn.Module<Tensor, Tensor>, ILinear, IParameterHints
{
    private const string FirstName = "blkdiag1";
    private const string SecondName = "blkdiag2";
    private const string BiasName = "bias";

    [ComponentName(Name = FirstName)]
    private readonly Parameter first;
    [ComponentName(Name = SecondName)]
    private readonly Parameter second;
    [ComponentName(Name = BiasName)]
    private readonly Parameter? bias;
    private readonly MonarchInitialization initialization;

    /// <summary>Makes the linear of a site.</summary>
    public MonarchLinear(MonarchOptions options, LinearSite site)
        : base(nameof(MonarchLinear))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(site);
        if (options.BlockCount < 1)
            throw new ArgumentException($"{nameof(MonarchOptions)}.{nameof(options.BlockCount)} = {options.BlockCount} must be 1 or more.", nameof(options));
        long blocks = options.BlockCount;
        InFeatures = site.InFeatures;
        OutFeatures = site.OutFeatures;
        initialization = options.Initialization;
        var inWidth = (InFeatures + blocks - 1) / blocks; // ib
        var outWidth = (OutFeatures + blocks - 1) / blocks; // ob
        var middle = Math.Min(inWidth, outWidth); // c
        first = Factor(site.Parameters, 1, blocks, middle, inWidth);
        second = site.StartsAtZero
            ? site.Parameters.Constant(0, blocks, outWidth, middle) // the product is zero, and its gradient is not
            : Factor(site.Parameters, initialization == MonarchInitialization.DenseMatched ? Math.Sqrt(3) : 1, blocks, outWidth, middle);
        bias = !site.HasBias ? null : site.StartsAtZero ? site.Parameters.Constant(0, OutFeatures) : Bias(site.Parameters);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long InFeatures { get; }

    /// <inheritdoc/>
    public long OutFeatures { get; }

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var padded = MonarchMultiply.ToDense(first, second);
        return padded.narrow(0, 0, OutFeatures).narrow(1, 0, InFeatures).clone().MoveToOuterDisposeScope();
    }

    /// <summary>Factors decay and the bias counts among the vectors; under MuP each factor has its own learning-rate factor, (fan-in of the layer /
    /// fan-in of the factor) / 2.</summary>
    /// <inheritdoc/>
    public ParameterHint? Hint(string parameterName) => parameterName switch
    {
        FirstName => new ParameterHint(LearningRateScale(first), Decays: true),
        SecondName => new ParameterHint(LearningRateScale(second), Decays: true),
        BiasName => new ParameterHint(IsVector: true),
        _ => null,
    };

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckWidth(x, InFeatures, GetName());
        return MonarchMultiply.Linear(x, first, second, bias, OutFeatures);
    }

    private double LearningRateScale(Tensor factor) =>
        initialization == MonarchInitialization.MuP ? (double)InFeatures / factor.size(2) / 2 : 1;

    private Parameter Factor(ParameterFactory parameters, double scale, long blocks, long outWidth, long inWidth)
    {
        if (initialization == MonarchInitialization.MuP)
            return parameters.Normal(Math.Sqrt(1.0 / inWidth) * Math.Min(1, Math.Sqrt((double)outWidth / inWidth)), blocks, outWidth, inWidth);
        var bound = scale / Math.Sqrt(inWidth);
        return parameters.Uniform(-bound, bound, blocks, outWidth, inWidth);
    }

    private Parameter Bias(ParameterFactory parameters)
    {
        if (initialization == MonarchInitialization.MuP)
            return parameters.Constant(0, OutFeatures);
        // The authors' code takes the bias's own length as its fan-in, unlike a dense layer.
        var bound = 1 / Math.Sqrt(OutFeatures);
        return parameters.Uniform(-bound, bound, OutFeatures);
    }
}
