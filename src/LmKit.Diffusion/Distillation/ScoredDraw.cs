using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One ancestral step of a rollout with the log-probability of what it drew, for the score function of the whole trajectory.</summary>
/// <param name="Tokens">The next state (B, L) int64.</param>
/// <param name="LogProbability">ln p (B) of the tokens drawn at positions masked before, with its graph.</param>
public sealed record ScoredDraw(Tensor Tokens, Tensor LogProbability)
{
    private const double Tiny = 1e-10;

    /// <summary>Draws the step.</summary>
    /// <param name="logProbabilities">The student's SUBS log-probabilities (B, L, V), with their graph.</param>
    /// <param name="tokens">The state (B, L); negative is padding, which is not counted.</param>
    /// <param name="cleanBefore">alpha before the step, (B, 1) or (1, 1).</param>
    /// <param name="cleanAfter">alpha after it.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="uniforms">(B, L, V).</param>
    /// <param name="countsStaying">Whether a position that stays masked adds its constant ln 1e-10, as in the official code; it has no
    /// gradient either way.</param>
    public static ScoredDraw Of(Tensor logProbabilities, Tensor tokens, Tensor cleanBefore, Tensor cleanAfter, long maskId, Tensor uniforms, bool countsStaying = false)
    {
        var check = new TensorCheck(nameof(ScoredDraw));
        check.AnyFloating(logProbabilities, nameof(logProbabilities), "B L V");
        DiffusionSteps.CheckTokens(ref check, tokens);
        check.AnyFloating(uniforms, nameof(uniforms), "B L V");
        using var scope = NewDisposeScope();
        Tensor next;
        using (no_grad())
        {
            var weights = DiffusionSteps.Ancestral(logProbabilities, cleanBefore, cleanAfter, maskId);
            next = where(tokens.eq(maskId), CategoricalDraw.Sample(weights, uniforms), tokens);
        }
        var counted = tokens.eq(maskId);
        if (!countsStaying)
            counted = counted.logical_and(next.ne(maskId));
        var picked = Smoothed(logProbabilities).gather(-1, next.clamp(min: 0).unsqueeze(-1)).squeeze(-1);
        var sum = where(counted, picked, zeros_like(picked)).sum(1);
        return new ScoredDraw(next.MoveToOuterDisposeScope(), sum.MoveToOuterDisposeScope());
    }

    /// <summary>log_softmax(ln(p + 1e-10)): finite log-probabilities as the official code scores with.</summary>
    public static Tensor Smoothed(Tensor logProbabilities)
    {
        new TensorCheck(nameof(ScoredDraw)).AnyFloating(logProbabilities, nameof(logProbabilities), "... V");
        using var scope = NewDisposeScope();
        return (HalfPrecision.Widen(logProbabilities).exp() + Tiny).log().log_softmax(-1).MoveToOuterDisposeScope();
    }
}
