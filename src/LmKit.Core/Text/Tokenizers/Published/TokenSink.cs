namespace LmKit;

/// <summary>What one encoding writes into and works with; one thread at a time.</summary>
internal sealed class TokenSink
{
    private const int Kept = 1 << 16;

    /// <summary>The ids.</summary>
    internal List<int> Ids { get; private set; } = [];

    /// <summary>How many characters of its piece each id stands for; null where nobody asks.</summary>
    internal List<int>? Lengths { get; set; }

    /// <summary>Pieces while they are split.</summary>
    internal Pieces Pieces { get; } = new();

    /// <summary>Tokens of words met before.</summary>
    internal WordCache Cache { get; } = new();

    /// <summary>Symbols while they are merged.</summary>
    internal MergeBuffer Merges { get; } = new();

    /// <summary>Takes the ids out and begins anew.</summary>
    internal List<int> Take()
    {
        var ids = Ids;
        Ids = [];
        Lengths = null;
        Pieces.Trim();
        Merges.Trim(Kept);
        return ids;
    }
}
