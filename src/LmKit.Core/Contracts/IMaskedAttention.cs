using static TorchSharp.torch;

namespace LmKit;

/// <summary>A mask that brings its own way to attend, faster than or beyond what <see cref="IAttentionMask.Visible"/> can say.</summary>
/// <remarks><see cref="Attention"/> asks it first, except while dropout acts on the attention weights. Its result must equal
/// attention through <see cref="IAttentionMask.Visible"/> wherever that defines one.</remarks>
public interface IMaskedAttention
{
    /// <summary>Attends, or declines a case that it does not serve.</summary>
    /// <param name="input">Queries, keys and values before position encoding, with positions and segments.</param>
    /// <returns>(B, H, L, P), or null to let <see cref="Attention"/> do it.</returns>
    Tensor? Attend(AttentionInput input);
}
