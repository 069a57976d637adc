using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The masked positions of a grid: the only ones that a step asks the network about and draws for.</summary>
/// <remarks>Tensors belong to the caller's dispose scope.</remarks>
internal sealed class MaskedPositions
{
    private readonly Tensor tokens;

    private MaskedPositions(Tensor tokens, Tensor isChosen)
    {
        this.tokens = tokens;
        Index = isChosen.reshape(-1).nonzero().squeeze(1);
        Counts = HostValues.Read(isChosen.sum(1));
    }

    /// <summary>Their places (R) in the flattened grid, row after row.</summary>
    internal Tensor Index { get; }

    /// <summary>How many each row has; R in all.</summary>
    internal long[] Counts { get; }

    /// <summary>Whether there are none.</summary>
    internal bool IsEmpty => Index.size(0) == 0;

    /// <summary>All masked positions of tokens (B, L).</summary>
    internal static MaskedPositions Of(Tensor tokens, long maskId) => new(tokens, tokens.eq(maskId));

    /// <summary>Some positions of tokens (B, L), where (B, L) bool says so.</summary>
    internal static MaskedPositions Where(Tensor tokens, Tensor isChosen) => new(tokens, isChosen);

    /// <summary>The grid (B, L) with these values (R) in their places; a new tensor.</summary>
    internal Tensor Fill(Tensor values)
    {
        using var scope = NewDisposeScope();
        return tokens.reshape(-1).index_copy(0, Index, values).view(tokens.shape).MoveToOuterDisposeScope();
    }
}
