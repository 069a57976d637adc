using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The same in two halves; its hidden states are the logits.</summary>
internal sealed class SplitTableDenoiser(Tensor logits, long maskId) : TableDenoiser(logits, maskId), ISplitDenoiser
{
    internal int HiddenCount { get; private set; }

    public Tensor Hidden(Tensor tokens, Tensor level)
    {
        HiddenCount++;
        return Table(tokens);
    }

    /// <summary>Positions whose vocabulary was asked for.</summary>
    internal long RowCount { get; private set; }

    public Tensor LogProbabilities(Tensor rows)
    {
        RowCount += rows.size(0);
        return SubsParameterization.OfMasked(rows, MaskId);
    }
}
