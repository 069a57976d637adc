using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Prompts of the greater-than task; owns its tensors.</summary>
public sealed class GreaterThanBatch : TaskBatch
{
    internal GreaterThanBatch(IReadOnlyList<long> events, Tensor tokens, Tensor positions, Tensor attributes, Tensor yearTokens)
        : base(tokens, positions, attributes)
    {
        Events = events;
        YearTokens = yearTokens.DetachFromDisposeScope();
    }

    /// <summary>Tokens (100) of the digits 00 to 99.</summary>
    public Tensor YearTokens { get; }

    internal IReadOnlyList<long> Events { get; }

    /// <summary>Probability of the years after the prompt's, less that of the years up to it, of each prompt (B).</summary>
    /// <inheritdoc/>
    public override Tensor Scores(Tensor logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var chances = logits.to(ScalarType.Float64).softmax(-1).index_select(1, YearTokens.to(logits.device)); // (B, 100)
        var later = arange(YearTokens.size(0), device: logits.device).unsqueeze(0).gt(Attributes.to(logits.device) + 1);
        return (chances * where(later, 1.0, -1.0)).sum(1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            YearTokens.Dispose();
        base.Dispose(disposing);
    }
}
