using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A learned vector per absolute position, added to the embedding (GPT-2).</summary>
public sealed class LearnedPositions : nn.Module<Tensor, Tensor>, IPositionTable
{
    [ComponentName(Name = "position_embeddings")]
    private readonly EmbeddingTable table;

    /// <summary>Makes a table for positions 0 to <paramref name="count"/> - 1.</summary>
    public LearnedPositions(long count, long modelDim, double initializerRange, ParameterFactory parameters)
        : base(nameof(LearnedPositions))
    {
        table = new EmbeddingTable(count, modelDim, initializerRange, parameters);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public long? Count => table.Count;

    /// <summary>The vectors of positions (B, L), as (B, L, D).</summary>
    /// <exception cref="ArgumentException">A position lies beyond the table.</exception>
    public override Tensor forward(Tensor positions)
    {
        new TensorCheck(nameof(LearnedPositions)).Integers(positions, nameof(positions), "...");
        using var last = positions.numel() > 0 ? positions.max() : zeros(1);
        var highest = last.ToInt64();
        return highest < table.Count
            ? table.call(positions)
            : throw new ArgumentException($"Position {highest} lies beyond the learned table of {table.Count}; shorten the text or raise max_position_embeddings.", nameof(positions));
    }
}
