using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The forward process q(x_t | x_0): every token becomes the mask with the same probability, independently.</summary>
public static class MaskingProcess
{
    /// <summary>Masks clean tokens: position i of row b where uniforms[b, i] &lt; maskedShare[b].</summary>
    /// <param name="tokens">Clean tokens (B, L) int64.</param>
    /// <param name="maskedShare">1 - alpha(t) for each row, (B) or (B, 1).</param>
    /// <param name="maskId">The mask's token id.</param>
    /// <param name="uniforms">(B, L) in [0, 1).</param>
    /// <returns>(B, L) int64.</returns>
    public static Tensor Corrupt(Tensor tokens, Tensor maskedShare, long maskId, Tensor uniforms)
    {
        var check = new TensorCheck(nameof(MaskingProcess));
        check.Integers(tokens, nameof(tokens), "B L");
        check.AnyFloating(uniforms, nameof(uniforms), "B L");
        check.AnyFloating(maskedShare, nameof(maskedShare), "...");
        if (maskedShare.numel() != tokens.size(0))
            throw new ArgumentException($"Tokens ({string.Join(", ", tokens.shape)}) need uniforms of the same shape, got ({string.Join(", ", uniforms.shape)}), and one masked share a row, got {maskedShare.numel()}.", nameof(uniforms));
        using var scope = NewDisposeScope();
        var isMasked = uniforms.lt(maskedShare.view(-1, 1));
        // Held until the call returns: a number that is converted on the way may be finalized while libtorch still reads it.
        using var mask = maskId.ToScalar();
        return tokens.masked_fill(isMasked, mask).MoveToOuterDisposeScope();
    }

    /// <summary>Fails unless tokens are clean ids of a vocabulary: (B, L) int64, none of them the mask.</summary>
    /// <exception cref="ArgumentException">They are not; names the first offender.</exception>
    public static void CheckClean(Tensor tokens, long vocabSize, long maskId)
    {
        TensorCheck.CheckAlive(tokens, nameof(tokens), nameof(MaskingProcess));
        CheckMaskId(maskId, vocabSize);
        if (tokens.dtype != ScalarType.Int64 || tokens.dim() != 2)
            throw new ArgumentException($"Tokens are int64 of shape (B, L); got {tokens.dtype} ({string.Join(", ", tokens.shape)}).", nameof(tokens));
        var (index, length) = (0L, tokens.size(1));
        foreach (var token in HostValues.Read(tokens))
        {
            if (token == maskId)
                throw new ArgumentException($"Row {index / length}, column {index % length} holds the mask id {maskId}: training tokens are clean. Is the mask id an ordinary token of this tokenizer?", nameof(tokens));
            if (token < 0 || token >= vocabSize)
                throw new ArgumentException($"Token id {token} at row {index / length}, column {index % length} is outside the vocabulary of {vocabSize}.", nameof(tokens));
            index++;
        }
    }

    /// <summary>Fails for a negative token id.</summary>
    internal static void CheckNotNegative(Tensor tokens)
    {
        if (tokens.numel() == 0 || tokens.device_type != DeviceType.CPU)
            return;
        using var least = tokens.min();
        if (least.item<long>() is var token and < 0)
            throw new ArgumentOutOfRangeException(nameof(tokens), token, "Token ids are 0 or more.");
    }

    /// <summary>Fails unless the mask id belongs to the vocabulary.</summary>
    /// <exception cref="ArgumentException">It does not.</exception>
    public static void CheckMaskId(long maskId, long vocabSize)
    {
        if (maskId < 0 || maskId >= vocabSize)
            throw new ArgumentException($"mask_id = {maskId} is outside the vocabulary of {vocabSize}; the vocabulary size counts the mask too.", nameof(maskId));
    }
}
