namespace LmKit;

/// <summary>The component kinds of LmKit.Core.</summary>
internal static class CoreKinds
{
    internal static IReadOnlyList<Kind> All { get; } =
    [
        BlockComponents.Sequential, BlockComponents.Parallel, BlockComponents.Sandwich, BlockComponents.PostNorm, AttentionComponent.Kind, MaskComponents.Causal, MaskComponents.Bidirectional, MaskComponents.SlidingWindow,
        PositionComponents.Rotary, PositionComponents.Alibi, PositionComponents.Learned, PositionComponents.None,
        FeedForwardComponents.Mlp, FeedForwardComponents.GatedMlp, NormComponents.LayerNorm, NormComponents.RmsNorm, NormComponents.None,
        LinearComponents.Dense, LinearComponents.Packed, EmbeddingComponents.Token, HeadComponents.Linear, AutoregressiveSamplerComponent.Kind,
    ];

    /// <summary>What fills a slot that nothing was added to; null where something must be.</summary>
    internal static Kind? Default(Slot slot, bool isBidirectional) =>
        slot == Slots.Mask ? isBidirectional ? MaskComponents.Bidirectional : MaskComponents.Causal
        : slot == Slots.Mixer || slot == Slots.LinearWrapper || slot == Slots.Dictionary || slot == Slots.Conditioning ? null
        : defaults[slot];

    private static readonly Dictionary<Slot, Kind> defaults = new()
    {
        [Slots.Block] = BlockComponents.Sequential,
        [Slots.Positions] = PositionComponents.None,
        [Slots.FeedForward] = FeedForwardComponents.Mlp,
        [Slots.Norm] = NormComponents.LayerNorm,
        [Slots.Linear] = LinearComponents.Dense,
        [Slots.Embedding] = EmbeddingComponents.Token,
        [Slots.Head] = HeadComponents.Linear,
        [Slots.Sampler] = AutoregressiveSamplerComponent.Kind,
    };
}
