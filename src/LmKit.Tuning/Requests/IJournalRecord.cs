namespace LmKit;

/// <summary>A record that knows whether its numbers can be.</summary>
internal interface IJournalRecord
{
    /// <summary>The member that cannot be as it is, or null.</summary>
    string? Fault { get; }
}
