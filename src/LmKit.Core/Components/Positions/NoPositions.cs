namespace LmKit;

/// <summary>No position encoding: the layers around it, or the causal mask, carry order.</summary>
public sealed class NoPositions : PositionEncoding
{
    /// <inheritdoc/>
    public override bool ActsOnScores => false;

    /// <inheritdoc/>
    public override bool IsBiasFree => true;
}

/// <summary>A learned vector per absolute position, added to the embedding (GPT-2); attention itself sees no positions.</summary>
/// <param name="options">The table's size.</param>
internal sealed class LearnedPositionEncoding(LearnedPositionOptions options) : PositionEncoding
{
    /// <inheritdoc/>
    public override bool ActsOnScores => false;

    /// <inheritdoc/>
    public override bool IsBiasFree => true;

    /// <inheritdoc/>
    public override IPositionTable CreateTable(LayerContext layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return new LearnedPositions(options.Count, layer);
    }
}
