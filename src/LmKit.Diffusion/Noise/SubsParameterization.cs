using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>SUBS: network outputs to log-probabilities of the clean token, with a mask probability of zero and revealed tokens carried over.</summary>
/// <remarks>Impossible entries are -1e6, as in the official code, whose exponential is exactly 0 in float32 and float64 and which is
/// finite where 0 log 0 arises. Half precision is widened to float32. Gradients reach masked positions only.</remarks>
public static class SubsParameterization
{
    /// <summary>The log-probability of what cannot be.</summary>
    public const double Impossible = -1e6;

    /// <summary>Log-probabilities (B, L, V) of logits (B, L, V) at tokens (B, L).</summary>
    public static Tensor Apply(Tensor logits, Tensor tokens, long maskId)
    {
        var check = new TensorCheck(nameof(SubsParameterization));
        check.AnyFloating(logits, nameof(logits), "B L V");
        DiffusionSteps.CheckTokens(ref check, tokens);
        using var scope = NewDisposeScope();
        var masked = OfMasked(logits, maskId);
        var isRevealed = tokens.ne(maskId).unsqueeze(-1);
        var index = tokens.clamp(min: 0).unsqueeze(-1);
        var carried = full_like(masked, Impossible, requires_grad: false).scatter(-1, index, zeros_like(index, masked.dtype));
        return where(isRevealed, carried, masked).MoveToOuterDisposeScope();
    }

    /// <summary>Log-probabilities (..., V) of logits (..., V) at masked positions.</summary>
    public static Tensor OfMasked(Tensor logits, long maskId)
    {
        var check = new TensorCheck(nameof(SubsParameterization));
        check.AnyFloating(logits, nameof(logits), "... V");
        MaskingProcess.CheckMaskId(maskId, logits.size(-1));
        using var scope = NewDisposeScope();
        var wide = logits.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? logits.to(ScalarType.Float32) : logits;
        var penalty = zeros(logits.size(-1), wide.dtype, wide.device);
        penalty[maskId] = Impossible;
        var shifted = wide + penalty;
        return (shifted - shifted.logsumexp(-1, keepdim: true)).MoveToOuterDisposeScope();
    }
}
