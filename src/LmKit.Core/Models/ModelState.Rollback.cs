namespace LmKit;

public sealed partial class ModelState
{
    /// <inheritdoc/>
    /// <remarks>True where every layer's state can.</remarks>
    public override bool CanRollBack => Array.TrueForAll(layers, layer => layer.CanRollBack);

    /// <inheritdoc/>
    /// <remarks>The least of all layers.</remarks>
    public override long RollbackRoom => !CanRollBack ? 0 : layers.Select(layer => layer.RollbackRoom).DefaultIfEmpty(Position).Min();

    /// <inheritdoc/>
    protected override void Reserve(long columns)
    {
        foreach (var layer in layers)
            layer.ReserveRollback(columns);
    }

    /// <inheritdoc/>
    protected override void Drop(long columns)
    {
        CheckWhole();
        isTorn = true; // until every layer has gone back
        var cache = layers.OfType<KeyValueCache>().FirstOrDefault();
        var counts = cache is not null && cache.Cursor.ToArray().SequenceEqual(Cursor.ToArray()); // learned positions do, with the caches
        foreach (var layer in layers)
            layer.Rollback(columns);
        if (counts)
            Cursor = cache!.Cursor.Copy();
        else if (Cursor.IsUniform && Cursor.Batch > 0 && Cursor.Counts[0] >= columns)
            Cursor.AdvanceAll(-columns);
        isTorn = false;
    }

    private protected override NotSupportedException Refusal()
    {
        var layer = Array.FindIndex(layers, layer => !layer.CanRollBack);
        return new($"The state of layer {layer} of this model, a {layers[layer].GetType().Name}, cannot be rolled back. Fork the state before a draft, and go on from the fork.");
    }
}
