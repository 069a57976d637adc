using static TorchSharp.torch;

namespace LmKit;

/// <summary>Checks what a <see cref="LogitFilter"/> is given.</summary>
internal static class LogitCheck
{
    /// <summary>Fails unless logits are (..., V) of real floating-point numbers, with V of 1 or more.</summary>
    internal static void Logits(Tensor logits, string filter)
    {
        new TensorCheck(filter).AnyFloating(logits, nameof(logits), "... V");
        NotEmpty(logits, filter);
    }

    /// <summary>Fails unless logits are (B, V), tokens (B, L) int64 below V, negative for padding, and the prompt no longer than L.</summary>
    internal static void All(Tensor logits, Tensor tokens, long promptLength, string filter)
    {
        var check = new TensorCheck(filter);
        check.AnyFloating(logits, nameof(logits), "B V");
        check.Integers(tokens, nameof(tokens), "B L");
        NotEmpty(logits, filter);
        if (promptLength < 0 || promptLength > check["L"])
            throw new ArgumentOutOfRangeException(nameof(promptLength), promptLength, $"{filter} takes a prompt of 0 to {check["L"]} columns.");
        if (tokens.numel() == 0 || tokens.device_type != TorchSharp.DeviceType.CPU)
            return;
        using var largest = tokens.max();
        if (largest.item<long>() is var token && token >= check["V"])
            throw new ArgumentOutOfRangeException(nameof(tokens), token, $"{filter} takes tokens below the {check["V"]} logits.");
    }

    private static void NotEmpty(Tensor logits, string filter)
    {
        if (logits.size(-1) == 0)
            throw new ArgumentException($"{filter} takes the logits of at least one token; got none.", nameof(logits));
    }
}
