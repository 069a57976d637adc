namespace LmKit;

/// <summary>What a store of activations holds.</summary>
/// <param name="ModelId">Names the model, in the user's words.</param>
/// <param name="HookName">The point that was read.</param>
/// <param name="ModelDim">Width D.</param>
/// <param name="ShardRows">Rows of a full shard.</param>
/// <param name="Precision">How values are kept; half precision halves the disk. Rows are served as float32 either way.</param>
/// <param name="HasTokens">Whether every row carries its token, sequence and position.</param>
public sealed record ActivationStoreInfo(
    string ModelId, string HookName, long ModelDim, long ShardRows = 65_536, ActivationPrecision Precision = ActivationPrecision.Full, bool HasTokens = false);
