using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A head whose weight is the embedding: logits = h E^T.</summary>
/// <remarks>It computes from the table instead of owning a second parameter, so tying survives moves and optimizers see one. It may keep
/// a packed copy of the table for token-by-token inference, as a <see cref="PackedLinear"/> does of its weight.</remarks>
internal sealed class TiedHead : nn.Module<Tensor, Tensor>, IPreparedWeights
{
    private readonly Func<Parameter> weight; // a field that holds the table would register it a second time
    private readonly PackedMap? map;

    internal TiedHead(EmbeddingTable table, PackedLinearOptions? packing)
        : base(nameof(TiedHead))
    {
        weight = () => table.Weight;
        map = packing is null ? null : new PackedMap(packing);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public void Forget() => map?.Forget();

    /// <inheritdoc/>
    public override Tensor forward(Tensor hidden)
    {
        var table = weight();
        Shapes.CheckInput(hidden, table, table.IsInvalid ? 0 : table.size(1), GetName());
        return map?.Apply(hidden, table, null, training) ?? nn.functional.linear(hidden, table);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            map?.Dispose();
        base.Dispose(disposing);
    }
}
