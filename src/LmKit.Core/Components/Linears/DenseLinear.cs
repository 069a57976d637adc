using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The dense linear y = x W^T + b.</summary>
public sealed class DenseLinear : nn.Module<Tensor, Tensor>, ILinear
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    /// <summary>Makes the linear of a site: W and b as the model's <see cref="LanguageModelOptions.Initializer"/> says.</summary>
    public DenseLinear(LinearSite site)
        : base(nameof(DenseLinear))
    {
        ArgumentNullException.ThrowIfNull(site);
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

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return weight.clone();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, InFeatures, GetName());
        return nn.functional.linear(x, weight, bias);
    }

    /// <summary>What calls with more axes give, for the same rows (N, I), bit for bit: the library adds the bias to their product, and to that
    /// of two axes on the way, which rounds otherwise.</summary>
    internal Tensor ForRows(Tensor rows)
    {
        Shapes.CheckInput(rows, weight, InFeatures, GetName());
        var y = nn.functional.linear(rows, weight);
        return bias is null ? y : y.add_(bias);
    }
}

/// <summary>A linear whose weight is the embedding's table: logits = h E^T + b.</summary>
/// <remarks>It computes from the table instead of owning a second parameter, so tying survives moves and optimizers see one. It may keep
/// a packed copy of the table for token-by-token inference, as a <see cref="PackedLinear"/> does of its weight.</remarks>
internal sealed class TiedLinear : nn.Module<Tensor, Tensor>, ILinear, IPreparedWeights
{
    private readonly Func<Parameter> weight; // a field that holds the table would register it a second time
    private readonly Parameter? bias;
    private readonly PackedMap? map;

    internal TiedLinear(LinearSite site, PackedLinearOptions? packing = null)
        : base(nameof(TiedLinear))
    {
        weight = site.TakeTable();
        (InFeatures, OutFeatures) = (site.InFeatures, site.OutFeatures);
        bias = site.CreateBias();
        map = packing is null ? null : new PackedMap(packing);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long InFeatures { get; }

    /// <inheritdoc/>
    public long OutFeatures { get; }

    /// <inheritdoc/>
    public Tensor ToDense()
    {
        using var frozen = no_grad();
        return map?.ToDense(weight(), training) ?? weight().clone();
    }

    /// <inheritdoc/>
    public void Forget() => map?.Forget();

    /// <inheritdoc/>
    public override Tensor forward(Tensor hidden)
    {
        var table = weight();
        Shapes.CheckInput(hidden, table, InFeatures, GetName());
        return map?.Apply(hidden, table, bias, training) ?? nn.functional.linear(hidden, table, bias);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            map?.Dispose();
        base.Dispose(disposing);
    }
}
