using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
