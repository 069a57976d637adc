using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The dense linear y = x W^T + b, with a second copy of W in the order in which one token's product reads it.</summary>
/// <remarks>Trains and is saved as <see cref="DenseLinear"/> is, under the same names. In evaluation mode without gradients, calls of few
/// float32 rows on the CPU read the packed weights as one stream: a token's time is the memory's, and bfloat16 halves it. With
/// <see cref="WeightFormat.BFloat16"/> every call in evaluation mode sees rounded weights, however many rows it has, so that a sequence
/// read in pieces equals the whole. The copy is made by the first such call and anew when the weight changed (<see cref="ParameterCache{T}"/>),
/// and training drops it. Float32 results differ from the library's by rounding only
/// (1e-6 of the sum of magnitudes).</remarks>
public sealed partial class PackedLinear : nn.Module<Tensor, Tensor>, ILinear, IPreparedWeights
{
    private readonly PackedMap map;
    private readonly Parameter weight;
    private readonly Parameter? bias;

    /// <summary>Makes the linear of a site: W and b as the model's <see cref="LanguageModelOptions.Initializer"/> says.</summary>
    public PackedLinear(PackedLinearOptions options, LinearSite site)
        : base(nameof(PackedLinear))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(site);
        OptionsJson.Validate(options, site.Path);
        map = new PackedMap(options);
        InFeatures = site.InFeatures;
        OutFeatures = site.OutFeatures;
        weight = site.CreateWeight(); // (O, I)
        bias = site.CreateBias();
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long InFeatures { get; }

    /// <inheritdoc/>
    public long OutFeatures { get; }

    /// <summary>The map as it acts now: rounded in evaluation mode when the format rounds.</summary>
    public Tensor ToDense() => map.ToDense(weight, training);

    /// <inheritdoc/>
    public void Forget() => map.Forget();

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, InFeatures, GetName());
        return map.Apply(x, weight, bias, training);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            map.Dispose();
        base.Dispose(disposing);
    }
}
