using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The two ways a reward steers a sampling step: tilting the logits by its gradient, and choosing among candidates.</summary>
public static class RewardGuidance
{
    private const double Certain = 1e9;

    /// <summary>The gradient (B, L, V) of a reward by the network's outputs; of scores a position, those at masked positions are summed.</summary>
    /// <param name="reward">The reward; gradients of parameters of its own are left untouched.</param>
    /// <param name="logits">The network's outputs (B, L, V); the reward reads their softmax at masked positions.</param>
    /// <param name="tokens">(B, L); certain where revealed.</param>
    /// <param name="level">Noise (B) that the reward sees.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <exception cref="NotSupportedException">The reward takes no soft rows.</exception>
    /// <exception cref="InvalidOperationException">Its score has another shape, or no graph back to the rows.</exception>
    public static Tensor Gradient(IReward reward, Tensor logits, Tensor tokens, Tensor level, long maskId)
    {
        ArgumentNullException.ThrowIfNull(reward);
        if (!reward.TakesSoftRows)
            throw new NotSupportedException($"{reward.GetType().Name} scores no soft rows ({nameof(IReward.TakesSoftRows)} = false), so it has no gradient to tilt by; choose among candidates instead.");
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
        var score = Score(reward, where(isMasked.unsqueeze(-1), leaf, certain), level);
        if (!score.requires_grad)
            throw new InvalidOperationException($"The score of {reward.GetType().Name} has no graph back to the soft rows, so there is no gradient to tilt by.");
        var total = (score.dim() == 1 ? score : where(isMasked, score, zeros_like(score))).sum();
        var gradient = autograd.grad([total], [leaf])[0];
        return gradient.masked_fill(isMasked.logical_not().unsqueeze(-1), 0).detach().MoveToOuterDisposeScope();
    }

    /// <summary>Scores (B) of rows, in float32 or wider, in the caller's dispose scope.</summary>
    internal static Tensor Rank(IReward reward, Tensor tokens, Tensor level)
    {
        var score = Score(reward, tokens, level);
        return score.dim() == 1 ? score : score.sum(1);
    }

    private static Tensor Score(IReward reward, Tensor tokens, Tensor level)
    {
        var score = HalfPrecision.Widen(reward.Score(tokens, level));
        return score.shape.SequenceEqual([tokens.size(0)]) || score.shape.SequenceEqual([tokens.size(0), tokens.size(1)])
            ? score
            : throw new InvalidOperationException($"{reward.GetType().Name} scores {tokens.size(0)} rows of {tokens.size(1)} tokens as (B) or (B, L); it gave ({string.Join(", ", score.shape)}).");
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
