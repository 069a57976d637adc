using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The dense linear y = x W^T + b, with a second copy of W in the order in which one token's product reads it.</summary>
/// <remarks>Trains and is saved as <see cref="DenseLinear"/> is, under the same names. In evaluation mode without gradients, calls of few
/// float32 rows on the CPU read the packed weights as one stream: a token's time is the memory's, and bfloat16 halves it. With
/// <see cref="WeightFormat.BFloat16"/> every call in evaluation mode sees rounded weights, however many rows it has, so that a sequence
/// read in pieces equals the whole. The copy is made by the first such call and dropped by training, moving and loading;
/// after writing into <c>weight</c> yourself call <see cref="Forget"/>. Float32 results differ from the library's by rounding only
/// (1e-6 of the sum of magnitudes).</remarks>
public sealed partial class PackedLinear : nn.Module<Tensor, Tensor>, ILinear, IPreparedWeights
{
    private readonly Lock gate = new();
    private readonly PackedLinearOptions options;
    private readonly Parameter weight;
    private readonly Parameter? bias;
    private volatile PackedWeight? packed;

    /// <summary>Makes the linear of a site: W ~ N(0, range^2), b = 0.</summary>
    public PackedLinear(PackedLinearOptions options, LinearSite site)
        : base(nameof(PackedLinear))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(site);
        OptionsJson.Validate(options, site.Path);
        this.options = options;
        InFeatures = site.InFeatures;
        OutFeatures = site.OutFeatures;
        weight = site.Parameters.Normal(site.InitializerRange, OutFeatures, InFeatures); // (O, I)
        bias = site.HasBias ? site.Parameters.Constant(0, OutFeatures) : null;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long InFeatures { get; }

    /// <inheritdoc/>
    public long OutFeatures { get; }

    /// <summary>The map as it acts now: rounded in evaluation mode when the format rounds.</summary>
    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return Rounds ? Rounded() : weight.clone();
    }

    /// <inheritdoc/>
    public void Forget()
    {
        // Not freed here: a call on another thread may be reading it. Its finalizer frees it.
        packed = null;
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckWidth(x, InFeatures, GetName());
        if (training || (is_grad_enabled() && weight.requires_grad))
            Forget(); // whoever trains may do so in evaluation mode
        else if (IsServed(x))
            return Cpu(x, Packed(), bias);
        if (!Rounds)
            return Reference(x, weight, bias);
        using var rounded = Rounded();
        return Reference(x, rounded, bias);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            packed?.Dispose();
            packed = null;
        }
        base.Dispose(disposing);
    }

    private bool Rounds => !training && options.Format == WeightFormat.BFloat16 && weight.dtype == ScalarType.Float32;

    private bool IsServed(Tensor x) =>
        x.dtype == ScalarType.Float32
        && x.numel() <= options.MaxRows * InFeatures
        && KernelSelection.Current == KernelChoice.Cpu
        && x.device_type == DeviceType.CPU
        && weight.device_type == DeviceType.CPU
        && weight.dtype == ScalarType.Float32
        && bias?.dtype is null or ScalarType.Float32
        && !(is_grad_enabled() && (x.requires_grad || weight.requires_grad));

    private Tensor Rounded()
    {
        using var narrow = weight.to(ScalarType.BFloat16);
        return narrow.to(weight.dtype);
    }

    private PackedWeight Packed()
    {
        if (packed is { } held && held.IsOf(weight))
            return held;
        lock (gate)
        {
            if (packed is { } made && made.IsOf(weight))
                return made;
            var fresh = PackedWeight.Of(weight, options.Format, SimdWidth.Bits);
            packed = fresh;
            return fresh;
        }
    }
}
