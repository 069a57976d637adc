using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The transition weights of one reverse step, unnormalised (B, L, V); pure functions of the network's log-probabilities.</summary>
/// <remarks>Computed in float32 or wider.</remarks>
public static class DiffusionSteps
{
    /// <summary>Ancestral: q = exp(lp) (cleanAfter - cleanBefore), q[mask] = 1 - cleanAfter; for masked positions.</summary>
    /// <param name="logProbabilities">SUBS log-probabilities (B, L, V).</param>
    /// <param name="cleanBefore">alpha(t), the clean share before the step: a number, or (B, 1).</param>
    /// <param name="cleanAfter">alpha(s), the clean share after it.</param>
    /// <param name="maskId">Token id of the mask.</param>
    public static Tensor Ancestral(Tensor logProbabilities, Tensor cleanBefore, Tensor cleanAfter, long maskId)
    {
        var check = new TensorCheck(nameof(DiffusionSteps));
        check.AnyFloating(logProbabilities, nameof(logProbabilities), "B L V");
        CheckPerRow(ref check, cleanBefore, nameof(cleanBefore));
        CheckPerRow(ref check, cleanAfter, nameof(cleanAfter));
        MaskingProcess.CheckMaskId(maskId, check["V"]);
        using var scope = NewDisposeScope();
        logProbabilities = HalfPrecision.Widen(logProbabilities);
        var reveal = Wide(cleanAfter - cleanBefore, logProbabilities);
        var stay = (1 - cleanAfter).to(logProbabilities.dtype, logProbabilities.device).view(-1, 1).expand(logProbabilities.size(0), logProbabilities.size(1));
        var weights = logProbabilities.exp();
        weights = weights.requires_grad ? weights * reveal : weights.mul_(reveal); // exp's gradient reads its result
        weights.select(-1, maskId).copy_(stay);
        return weights.MoveToOuterDisposeScope();
    }

    /// <summary>The score of SUBS log-probabilities at noise sigma: ratios p(x') / p(x) of each one-token change (analytic sampler).</summary>
    /// <param name="logProbabilities">SUBS log-probabilities (B, L, V).</param>
    /// <param name="tokens">(B, L).</param>
    /// <param name="sigma">Noise: (B, 1).</param>
    /// <param name="maskId">Token id of the mask.</param>
    public static Tensor Score(Tensor logProbabilities, Tensor tokens, Tensor sigma, long maskId)
    {
        var check = new TensorCheck(nameof(DiffusionSteps));
        check.AnyFloating(logProbabilities, nameof(logProbabilities), "B L V");
        CheckTokens(ref check, tokens);
        CheckPerRow(ref check, sigma, nameof(sigma));
        MaskingProcess.CheckMaskId(maskId, check["V"]);
        using var scope = NewDisposeScope();
        logProbabilities = HalfPrecision.Widen(logProbabilities);
        var expm1 = Wide(sigma.expm1(), logProbabilities); // (B, 1, 1)
        var isMasked = tokens.eq(maskId).unsqueeze(-1);
        var here = ones_like(isMasked.squeeze(-1), logProbabilities.dtype);
        var masked = WithMask((logProbabilities - expm1.log()).exp(), here, maskId);
        var oneHot = nn.functional.one_hot(tokens.clamp(min: 0), logProbabilities.size(-1)).to(logProbabilities.dtype);
        var revealed = WithMask(oneHot, expm1.squeeze(-1).expand(here.shape), maskId);
        return where(isMasked, masked, revealed).MoveToOuterDisposeScope();
    }

    /// <summary>Analytic (Tweedie) step of noise sigma down by deltaSigma, for every position.</summary>
    /// <param name="score">From <see cref="Score"/>.</param>
    /// <param name="tokens">(B, L).</param>
    /// <param name="deltaSigma">sigma_t - sigma_s: (B, 1).</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="isLast">The final denoising: the mask's weight becomes zero.</param>
    public static Tensor Analytic(Tensor score, Tensor tokens, Tensor deltaSigma, long maskId, bool isLast = false)
    {
        var check = new TensorCheck(nameof(DiffusionSteps));
        check.AnyFloating(score, nameof(score), "B L V");
        CheckTokens(ref check, tokens);
        CheckPerRow(ref check, deltaSigma, nameof(deltaSigma));
        MaskingProcess.CheckMaskId(maskId, check["V"]);
        using var scope = NewDisposeScope();
        score = HalfPrecision.Widen(score);
        var delta = Wide(deltaSigma, score); // (B, 1, 1)
        var staggered = score * delta.exp();
        var extra = (1 - delta.exp()) * score.sum(-1, keepdim: true);
        staggered = WithMask(staggered, (staggered.select(-1, maskId).unsqueeze(-1) + extra).squeeze(-1), maskId);
        var decay = delta.neg().exp();
        var oneHot = nn.functional.one_hot(tokens.clamp(min: 0), score.size(-1)).to(score.dtype);
        var transition = oneHot * decay + tokens.eq(maskId).unsqueeze(-1).to(score.dtype) * (1 - decay);
        var weights = staggered * transition;
        return (isLast ? WithMask(weights, zeros_like(weights.select(-1, 0)), maskId) : weights).MoveToOuterDisposeScope();
    }

    /// <summary>Tokens (B, L) of the vocabulary; -1 is padding.</summary>
    internal static void CheckTokens(ref TensorCheck check, Tensor tokens)
    {
        check.Integers(tokens, nameof(tokens), "B L");
        if (tokens.numel() == 0 || tokens.device_type != DeviceType.CPU)
            return;
        using var largest = tokens.max();
        if (largest.item<long>() is var token && token >= check["V"])
            throw new ArgumentOutOfRangeException(nameof(tokens), token, $"Token ids lie below the vocabulary of {check["V"]}.");
    }

    // A number for all rows, or one a row.
    private static void CheckPerRow(ref TensorCheck check, Tensor values, string name)
    {
        check.AnyFloating(values, name, "...");
        if (values.numel() != 1 && values.numel() != check["B"])
            throw new ArgumentException($"{nameof(DiffusionSteps)} takes {name} as one number or one for each of {check["B"]} rows; got ({string.Join(", ", values.shape)}).", name);
    }

    /// <summary>Puts a value (B, L) into the mask's column of weights (B, L, V).</summary>
    internal static Tensor WithMask(Tensor weights, Tensor value, long maskId)
    {
        using var scope = NewDisposeScope();
        var copy = weights.clone();
        copy.select(-1, maskId).copy_(value);
        return copy.MoveToOuterDisposeScope();
    }

    private static Tensor Wide(Tensor perRow, Tensor like) => perRow.to(like.dtype, like.device).view(-1, 1, 1);
}
