using TorchSharp;
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
        if (tokens.numel() == 0 || tokens.device_type != DeviceType.CPU)
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

/// <summary>A token cannot be drawn from a row: its numbers are not finite, or every token is forbidden.</summary>
public sealed class NotFiniteLogitsException : InvalidOperationException
{
    /// <summary>Makes it for a row.</summary>
    /// <param name="row">The row of the batch, from 0.</param>
    /// <param name="problem">What was found there, such as <c>NaN</c>.</param>
    public NotFiniteLogitsException(long row, string problem)
        : base($"No token can be drawn for row {row}: {problem}. Look for weights that are not finite, a dtype too narrow for the model (float16 ends at 65504), or filters that forbid every token.") => Row = row;

    /// <summary>The row of the batch, from 0.</summary>
    public long Row { get; }

    /// <summary>Fails unless every row can be drawn from.</summary>
    /// <param name="logits">(B, V) logits or log-probabilities, where negative infinity forbids a token, or (B, L, V).</param>
    /// <param name="rows">The batch's row (B) int64 of each entry of the first axis; null where they are the rows themselves.</param>
    /// <exception cref="NotFiniteLogitsException">A row holds NaN or positive infinity, or nothing but negative infinity.</exception>
    public static void Check(Tensor logits, Tensor? rows = null)
    {
        ArgumentNullException.ThrowIfNull(logits);
        if (logits.numel() == 0)
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var largest = logits.amax([-1]); // NaN where a row holds one
        if (largest.isfinite().all().ToBoolean())
            return;
        var values = largest.to(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var index = Array.FindIndex(values, value => !double.IsFinite(value));
        var problem = double.IsNaN(values[index]) ? "the network's output is NaN"
            : double.IsPositiveInfinity(values[index]) ? "the network's output is infinite"
            : "every token is forbidden (negative infinity)";
        var row = index / (values.Length / logits.size(0));
        throw new NotFiniteLogitsException(rows is null ? row : HostValues.Read(rows)[row], problem);
    }
}
