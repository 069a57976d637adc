using static TorchSharp.torch;

namespace LmKit;

/// <summary>A denoiser in two halves, so that a loss or a sampler pays for the vocabulary only at positions it needs.</summary>
/// <remarks>At masked positions <c>call(tokens, level)</c> equals <see cref="LogProbabilities"/> of <see cref="Hidden"/>.</remarks>
public interface ISplitDenoiser : IDenoiser
{
    /// <summary>Final hidden states (B, L, D), conditioning included.</summary>
    Tensor Hidden(Tensor tokens, Tensor level);

    /// <summary>Log-probabilities (R, V) of hidden states (R, D) at masked positions.</summary>
    Tensor LogProbabilities(Tensor rows);
}
