using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The transition weights of remasking (ReMDM) steps.</summary>
public static class RemaskingSteps
{
    /// <summary>The remasking probability sigma (B, L) of every position.</summary>
    /// <param name="strategy">Cap, rescale, confidence or forward-backward; the loop caps eta too.</param>
    /// <param name="eta">Its strength, 0 to 1; confidence and forward-backward do not use it.</param>
    /// <param name="cleanBefore">alpha_t; at 0 nothing bounds sigma.</param>
    /// <param name="cleanAfter">alpha_s.</param>
    /// <param name="confidence">Probability (B, L) of each token when it was revealed; read where revealed.</param>
    /// <param name="isMasked">(B, L) bool.</param>
    public static Tensor Sigma(RemaskingStrategy strategy, double eta, double cleanBefore, double cleanAfter, Tensor confidence, Tensor isMasked)
    {
        var check = new TensorCheck(nameof(RemaskingSteps));
        check.AnyFloating(confidence, nameof(confidence), "B L");
        check.Truths(isMasked, nameof(isMasked), "B L");
        CheckShare(eta, nameof(eta));
        CheckShare(cleanBefore, nameof(cleanBefore));
        CheckShare(cleanAfter, nameof(cleanAfter));
        using var scope = NewDisposeScope();
        confidence = HalfPrecision.Widen(confidence);
        var bound = cleanBefore > 0 ? (1 - cleanAfter) / cleanBefore : double.PositiveInfinity;
        var rise = cleanBefore > 0 ? Math.Max(0, cleanAfter - cleanBefore) / cleanBefore : double.PositiveInfinity;
        var sigma = strategy switch
        {
            RemaskingStrategy.Cap => full_like(confidence, Math.Min(eta, bound)),
            RemaskingStrategy.Rescale => full_like(confidence, eta * Math.Min(1, bound)),
            RemaskingStrategy.Confidence => Unsureness(confidence, isMasked).mul(Math.Min(1, bound)),
            // Bounded where the formula asks for more than the masked share after the step, as it does late in the walk.
            RemaskingStrategy.ForwardBackward => full_like(confidence, Math.Min(Math.Min(1, bound), rise)),
            _ => full_like(confidence, Math.Min(eta, bound)), // more than this and revealing would need a probability above 1
        };
        return sigma.MoveToOuterDisposeScope();
    }

    /// <summary>The weights (B, L, V): masked positions reveal by (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t), revealed ones are
    /// remasked with probability sigma.</summary>
    /// <param name="probabilities">SUBS probabilities (B, L, V) after top-p.</param>
    /// <param name="sigma">(B, L).</param>
    /// <param name="cleanBefore">alpha_t.</param>
    /// <param name="cleanAfter">alpha_s.</param>
    /// <param name="isMasked">(B, L) bool.</param>
    /// <param name="maskId">Token id of the mask.</param>
    public static Tensor Weights(Tensor probabilities, Tensor sigma, double cleanBefore, double cleanAfter, Tensor isMasked, long maskId)
    {
        var check = new TensorCheck(nameof(RemaskingSteps));
        check.AnyFloating(probabilities, nameof(probabilities), "B L V");
        check.AnyFloating(sigma, nameof(sigma), "B L");
        check.Truths(isMasked, nameof(isMasked), "B L");
        CheckShare(cleanBefore, nameof(cleanBefore));
        CheckShare(cleanAfter, nameof(cleanAfter));
        MaskingProcess.CheckMaskId(maskId, check["V"]);
        using var scope = NewDisposeScope();
        (probabilities, sigma) = (HalfPrecision.Widen(probabilities), HalfPrecision.Widen(sigma));
        var masked = 1 - cleanBefore;
        var reveal = (sigma * cleanBefore + (cleanAfter - cleanBefore)) / masked;
        var stay = ((1 - cleanAfter) - sigma * cleanBefore) / masked;
        var factor = where(isMasked, reveal, 1 - sigma).unsqueeze(-1);
        return DiffusionSteps.WithMask(probabilities * factor, where(isMasked, stay, sigma), maskId).MoveToOuterDisposeScope();
    }

    private static void CheckShare(double share, string name)
    {
        if (!(share is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(name, share, $"{nameof(RemaskingSteps)} takes a share from 0 to 1.");
    }

    private static Tensor Unsureness(Tensor confidence, Tensor isMasked)
    {
        var weights = confidence.neg().masked_fill(isMasked, double.NegativeInfinity).softmax(-1);
        return weights.nan_to_num(0.0); // a row of masks has nothing to take back
    }
}

/// <summary>How much a remasking step takes back.</summary>
public enum RemaskingStrategy
{
    /// <summary>sigma = min(eta, (1 - alpha_s) / alpha_t).</summary>
    Cap,

    /// <summary>sigma = eta min(1, (1 - alpha_s) / alpha_t).</summary>
    Rescale,

    /// <summary>The share min(1, (1 - alpha_s) / alpha_t) is spread over positions by how unsure the network was of each.</summary>
    Confidence,

    /// <summary>Plain steps up to a share of clean tokens, then remasking at that share, then plain steps to the end.</summary>
    Loop,

    /// <summary>Forward-backward: sigma = (alpha_s - alpha_t) / alpha_t, at most min(1, (1 - alpha_s) / alpha_t). As much noise is put back
    /// as a step of the forward process adds; eta is not used.</summary>
    ForwardBackward,
}
