using TorchSharp;
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

/// <summary>Terms of a loss while it is put together.</summary>
internal sealed class LossTerms : Dictionary<string, Tensor>
{
    /// <summary>Adds them up and hands them to the outer dispose scope.</summary>
    internal AutoencoderLoss Sum()
    {
        var total = Values.Aggregate((sum, term) => sum + term);
        // One term alone would be the total itself.
        if (Count == 1)
            total = total.alias();
        foreach (var term in Values)
            term.MoveToOuterDisposeScope();
        return new AutoencoderLoss(total.MoveToOuterDisposeScope(), this);
    }
}

/// <summary>The reconstruction term of a loss, summed in float32 or wider.</summary>
internal static class SquaredError
{
    internal static Tensor Of(AutoencoderPass pass, ReconstructionLoss kind) => kind == ReconstructionLoss.NormalizedMean
        ? HalfPrecision.Widen(pass.Reconstruction - pass.Normalized).square().mean()
        : RowMean(pass.Output - pass.Input);

    /// <summary>Squares summed over dimensions, averaged over rows.</summary>
    internal static Tensor RowMean(Tensor error) => HalfPrecision.Widen(error).square().sum(1).mean();
}

/// <summary>How squared errors of a reconstruction become one number.</summary>
public enum ReconstructionLoss
{
    /// <summary>Summed over dimensions, averaged over rows, in raw units (SAELens, task autoencoders, dictionary_learning).</summary>
    Sum,

    /// <summary>Averaged over rows and dimensions, in normalised units (Lee et al. 2025).</summary>
    NormalizedMean,
}
