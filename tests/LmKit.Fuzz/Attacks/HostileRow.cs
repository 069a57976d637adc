namespace LmKit.Fuzz;

/// <summary>A row of the committed table.</summary>
/// <param name="Name">The case.</param>
/// <param name="Target">The reader.</param>
/// <param name="Seed">The valid case whose other files stand beside it.</param>
/// <param name="Files">For committed cases, the file below <c>hostile/</c> for each file of the case; null for a case that is made.</param>
/// <param name="Expected">What may come of it.</param>
/// <param name="Exception">The type that refuses it; null where none does, or any may.</param>
/// <param name="Value">The digest of what is read; null where nothing is.</param>
internal sealed record HostileRow(string Name, string Target, string Seed, IReadOnlyDictionary<string, string>? Files, Expectation Expected, string? Exception, string? Value)
{
    /// <summary>What a reading does otherwise than the row says; null when it is as it should be.</summary>
    internal string? Fault(CaseReading reading) => (reading.Outcome, Expected) switch
    {
        (Outcome.Accepted, Expectation.Refused) => "it was read; it is to be refused",
        (Outcome.Accepted, _) => Value is null || Value == reading.Value ? null : $"what was read has the digest {reading.Value}, not {Value}",
        (Outcome.Refused, Expectation.Value) => $"refused by {reading.Fault}: {reading.Message}; it is legal",
        (Outcome.Refused, _) => Exception is null || Exception == reading.Fault ? null : $"refused by {reading.Fault}, not by {Exception}",
        _ => $"{reading.Outcome} {reading.Fault}: {reading.Message}",
    };

    /// <summary>The row with what a good reading showed.</summary>
    internal HostileRow Recorded(CaseReading reading) => reading.Outcome switch
    {
        Outcome.Accepted when Expected != Expectation.Refused => this with { Value = reading.Value },
        Outcome.Refused when Expected != Expectation.Value => this with { Exception = reading.Fault },
        _ => this,
    };
}
