namespace LmKit;

/// <summary>What a store of activations holds.</summary>
/// <param name="ModelId">Names the model, in the user's words.</param>
/// <param name="HookName">The point that was read.</param>
/// <param name="ModelDim">Width D.</param>
/// <param name="ShardRows">Rows of a full shard.</param>
public sealed record ActivationStoreInfo(string ModelId, string HookName, long ModelDim, long ShardRows = 65_536);
