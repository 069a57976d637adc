using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The two ways a discriminator steers a sampling step: tilting the logits by its gradient, and choosing among candidates.</summary>
public static class RewardGuidance
{
    private const double Certain = 1e9;

    /// <summary>The gradient (B, L, V) of the discriminator's logits, summed over masked positions, by the network's outputs.</summary>
    /// <param name="discriminator">The discriminator; its parameters' gradients are left untouched.</param>
    /// <param name="logits">The network's outputs (B, L, V); the discriminator reads their softmax at masked positions.</param>
    /// <param name="tokens">(B, L); certain where revealed.</param>
    /// <param name="level">Noise (B) that the discriminator sees.</param>
    /// <param name="maskId">Token id of the mask.</param>
    public static Tensor Gradient(Discriminator discriminator, Tensor logits, Tensor tokens, Tensor level, long maskId)
    {
        ArgumentNullException.ThrowIfNull(discriminator);
        var check = new TensorCheck(nameof(RewardGuidance));
        check.AnyFloating(logits, nameof(logits), "B L V");
        DiffusionSteps.CheckTokens(ref check, tokens);
        check.AnyFloating(level, nameof(level), "...");
        MaskingProcess.CheckMaskId(maskId, check["V"]);
        using var scope = NewDisposeScope();
        using var recorded = enable_grad();
        var leaf = HalfPrecision.Widen(logits.detach()).clone().requires_grad_();
        var isMasked = tokens.eq(maskId);
        var certain = nn.functional.one_hot(tokens.clamp(min: 0), logits.size(-1)).to(leaf.dtype) * Certain;
        var score = HalfPrecision.Widen(discriminator.call(where(isMasked.unsqueeze(-1), leaf, certain), level)).squeeze(-1);
        var total = where(isMasked, score, zeros_like(score)).sum();
        var gradient = autograd.grad([total], [leaf])[0];
        return gradient.masked_fill(isMasked.logical_not().unsqueeze(-1), 0).detach().MoveToOuterDisposeScope();
    }

    /// <summary>Outputs + h clamp(gradient, -1, 1).</summary>
    public static Tensor Tilt(Tensor logits, Tensor gradient, double scale)
    {
        var check = new TensorCheck(nameof(RewardGuidance));
        check.Floating(logits, nameof(logits), "B L V");
        check.AnyFloating(gradient, nameof(gradient), "B L V");
        using var scope = NewDisposeScope();
        return (logits + gradient.clamp(-1, 1) * scale).MoveToOuterDisposeScope();
    }

    /// <summary>Draws M next states for each row from the same weights: (B, M, L).</summary>
    /// <param name="weights">(B, L, V).</param>
    /// <param name="tokens">(B, L); revealed tokens stay.</param>
    /// <param name="uniforms">(B, M, L, V).</param>
    /// <param name="maskId">Token id of the mask.</param>
    public static Tensor Candidates(Tensor weights, Tensor tokens, Tensor uniforms, long maskId)
    {
        var check = new TensorCheck(nameof(RewardGuidance));
        check.AnyFloating(weights, nameof(weights), "B L V");
        DiffusionSteps.CheckTokens(ref check, tokens);
        check.AnyFloating(uniforms, nameof(uniforms), "B M L V");
        using var scope = NewDisposeScope();
        var drawn = CategoricalDraw.Sample(weights.unsqueeze(1), uniforms); // (B, M, L)
        var all = tokens.unsqueeze(1).expand(drawn.shape);
        return where(all.eq(maskId), drawn, all).MoveToOuterDisposeScope();
    }

    /// <summary>Picks one candidate a row from scores (B, M) with probability softmax(scores): (B, L).</summary>
    /// <param name="candidates">(B, M, L).</param>
    /// <param name="scores">(B, M).</param>
    /// <param name="uniforms">(B, M).</param>
    public static Tensor Choose(Tensor candidates, Tensor scores, Tensor uniforms)
    {
        var check = new TensorCheck(nameof(RewardGuidance));
        check.Integers(candidates, nameof(candidates), "B M L");
        check.AnyFloating(scores, nameof(scores), "B M");
        check.AnyFloating(uniforms, nameof(uniforms), "B M");
        using var scope = NewDisposeScope();
        var choice = CategoricalDraw.Sample(HalfPrecision.Widen(scores).softmax(-1), uniforms).view(-1, 1, 1).expand(-1, 1, candidates.size(2));
        return candidates.gather(1, choice).squeeze(1).MoveToOuterDisposeScope();
    }
}
