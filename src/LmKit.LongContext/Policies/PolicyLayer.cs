namespace LmKit;

/// <summary>What every policy of this package asks of a layer and of its options.</summary>
internal static class PolicyLayer
{
    /// <summary>Fails for layers whose tokens see later tokens, and for learned positions.</summary>
    internal static void Check(LayerContext layer, string mask)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new ArgumentException($"{nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsBidirectional)} = true ($.model.is_bidirectional) lets tokens see later tokens, and {mask} is causal; drop it or build a causal model.", nameof(layer));
        if (layer.HasLearnedPositions)
        {
            throw new ArgumentException(
                $"Learned absolute positions end with their table (max_position_embeddings), so {mask} cannot carry the model beyond it; use rotary, ALiBi or no positions.",
                nameof(layer));
        }
    }

    /// <summary>Fails for a number below the least that means something.</summary>
    internal static void AtLeast(string options, string name, long value, long least)
    {
        if (value < least)
            throw new ArgumentException($"{options}.{name} = {value} must be {least} or more.", nameof(options));
    }
}
