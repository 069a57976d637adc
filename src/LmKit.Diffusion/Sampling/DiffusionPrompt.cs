using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Reads prompts: what is fixed, what is free, how far each row is padded.</summary>
internal static class DiffusionPrompt
{
    // A step holds the logits of every token.
    private const long MostTokens = 1 << 26;

    internal static void Check(Tensor prompt, long length, long vocabSize)
    {
        TensorCheck.CheckAlive(prompt, nameof(prompt), "A diffusion sampler");
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length > MostTokens || (prompt.dim() == 2 && prompt.size(0) * (prompt.size(1) + length) > MostTokens))
            throw new ArgumentOutOfRangeException(nameof(length), length, $"A grid of prompt and new columns holds at most {MostTokens} tokens.");
        if (prompt.dtype != ScalarType.Int64 || prompt.dim() != 2 || prompt.size(0) == 0)
            throw new ArgumentException($"A prompt is int64 of shape (B, L); got {prompt.dtype} ({string.Join(", ", prompt.shape)}).", nameof(prompt));
        var (values, columns) = (HostValues.Read(prompt), prompt.size(1));
        for (var index = 0; index < values.Length; index++)
        {
            var (row, column) = (index / columns, index % columns);
            if (values[index] >= vocabSize || values[index] < -1)
                throw new ArgumentException($"The prompt's token {values[index]} at row {row}, column {column} is outside the vocabulary of {vocabSize}.", nameof(prompt));
            if (values[index] == -1 && column > 0 && values[index - 1] != -1)
                throw new ArgumentException($"The prompt's padding (-1) at row {row}, column {column} stands behind a token; padding goes on the left.", nameof(prompt));
        }
    }

    internal static (Tensor Tokens, Tensor Fixed) Start(Tensor prompt, long length, long maskId)
    {
        using var scope = NewDisposeScope();
        var free = full(prompt.size(0), length, maskId, ScalarType.Int64, prompt.device);
        var tokens = cat([prompt, free], 1);
        return (tokens.DetachFromDisposeScope(), tokens.ne(maskId).DetachFromDisposeScope());
    }

    internal static int[] Padding(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return [.. HostValues.Read(tokens.lt(0).sum(1)).Select(count => (int)count)];
    }
}
