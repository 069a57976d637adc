using static TorchSharp.torch;

namespace LmKit;

/// <summary>A head whose weight is the embedding: logits = h E^T.</summary>
/// <remarks>It computes from the table instead of owning a second parameter, so tying survives moves and optimizers see one.</remarks>
internal sealed class TiedHead(EmbeddingTable table)
{
    internal Tensor Logits(Tensor hidden) => nn.functional.linear(hidden, table.Weight);
}
