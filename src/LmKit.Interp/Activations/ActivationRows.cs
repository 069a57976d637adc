using static TorchSharp.torch;

namespace LmKit;

/// <summary>Activations with where each of them comes from; owns its tensors.</summary>
/// <param name="Values">Activations (N, D).</param>
/// <param name="Tokens">Token (N) int32 at each row's position; null when not kept.</param>
/// <param name="Sequences">Number (N) int32 of the text; null when not kept.</param>
/// <param name="Positions">Position (N) int32 in it; null when not kept.</param>
public sealed record ActivationRows(Tensor Values, Tensor? Tokens = null, Tensor? Sequences = null, Tensor? Positions = null) : IDisposable
{
    /// <summary>Activations (B, L, D) of tokens (B, L) as rows.</summary>
    /// <param name="activations">Activations (B, L, D).</param>
    /// <param name="tokens">Tokens (B, L).</param>
    /// <param name="firstSequence">Number of the first text; the others count on from it.</param>
    public static ActivationRows Of(Tensor activations, Tensor tokens, long firstSequence = 0)
    {
        var check = new TensorCheck(nameof(ActivationRows));
        check.AnyFloating(activations, nameof(activations), "B L D");
        check.Integers(tokens, nameof(tokens), "B L");
        using var scope = NewDisposeScope();
        var (batch, length) = (tokens.size(0), tokens.size(1));
        if (firstSequence < 0 || firstSequence > int.MaxValue - batch)
            throw new ArgumentOutOfRangeException(nameof(firstSequence), firstSequence, "Numbers of texts are kept as int32, from 0.");
        if (!tokens.to(ScalarType.Int32).eq(tokens).all().item<bool>())
            throw new ArgumentException("Tokens are kept as int32; one of them is wider.", nameof(tokens));
        Tensor Kept(Tensor values) => values.to(ScalarType.Int32).reshape(-1).clone().DetachFromDisposeScope();
        return new(
            activations.detach().reshape(batch * length, activations.size(2)).clone().DetachFromDisposeScope(),
            Kept(tokens),
            Kept((arange(batch, device: tokens.device) + firstSequence).unsqueeze(1).expand(batch, length)),
            Kept(arange(length, device: tokens.device).unsqueeze(0).expand(batch, length)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Values.Dispose();
        Tokens?.Dispose();
        Sequences?.Dispose();
        Positions?.Dispose();
    }
}
