using static TorchSharp.torch;

namespace LmKit;

/// <summary>A training loss and its terms, weights included; the tensors belong to the caller's dispose scope.</summary>
/// <param name="Total">The sum of the terms, a scalar.</param>
/// <param name="Terms">Each term by name: reconstruction, l1, l0, afa, aux, gate, preactivation, attribution, unexplained, inner_N.</param>
public sealed record AutoencoderLoss(Tensor Total, IReadOnlyDictionary<string, Tensor> Terms) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Total.Dispose();
        foreach (var term in Terms.Values)
            term.Dispose();
    }
}
