namespace LmKit;

/// <summary>The keys that a query sees and the distances at which it sees them, in three numbers.</summary>
/// <param name="Window">Keys nearer than this are seen at their true distance.</param>
/// <param name="Starts">Keys beyond it are seen where their position is below this.</param>
/// <param name="Ceiling">The distance at which those are seen.</param>
internal readonly record struct MaskReach(long Window, long Starts, long Ceiling)
{
    /// <summary>All earlier keys and the query's own, at true distances.</summary>
    internal static MaskReach All => new(long.MaxValue, 0, 0);
}
