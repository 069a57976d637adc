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

    public Tensor LogProbabilities(Tensor rows) => SubsParameterization.OfMasked(rows, MaskId);
}
