using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a sampler is steered by: the higher the score, the better the sequence; <see cref="Discriminator"/> is one.</summary>
/// <remarks>Called on the sampler's thread, inside its dispose scope.</remarks>
public interface IReward
{
    /// <summary>Whether it also scores soft rows (B, L, V), logits of a distribution over tokens, with a graph back to them; only then can logits be
    /// tilted by its gradient.</summary>
    bool TakesSoftRows { get; }

    /// <summary>Scores sequences: (B), or (B, L) with a score for each position, of which a row's is the sum.</summary>
    /// <param name="tokens">Ids (B, L) int64, the mask among them, or soft rows (B, L, V) where it takes them.</param>
    /// <param name="level">The noise (B) of the tokens, float64; a reward may ignore it.</param>
    Tensor Score(Tensor tokens, Tensor level);
}
