using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The running threshold of autoencoders that choose over a batch.</summary>
internal static class BatchThreshold
{
    /// <summary>Moves it towards the smallest positive code of a training batch.</summary>
    internal static void Update(Tensor threshold, Tensor codes, double rate)
    {
        ArgumentNullException.ThrowIfNull(codes);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var positive = codes.masked_select(codes.gt(0)).to(ScalarType.Float64);
        if (positive.numel() > 0)
            threshold.mul_(1 - rate).add_(positive.min() * rate);
    }
}
