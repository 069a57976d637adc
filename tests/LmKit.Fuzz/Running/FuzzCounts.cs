namespace LmKit.Fuzz;

/// <summary>How many cases of a target ended how.</summary>
/// <param name="Target">The target.</param>
/// <param name="Counts">The number for each outcome, in the order of <see cref="Outcome"/>.</param>
internal sealed record FuzzCounts(string Target, IReadOnlyList<long> Counts)
{
    internal long Cases => Counts.Sum();

    internal bool IsClean => Cases == this[Outcome.Accepted] + this[Outcome.Refused];

    internal long this[Outcome outcome] => Counts[(int)outcome];

    internal static string Heading { get; } = $"{"target",-26}{"cases",9}{"accepted",10}{"refused",9}{"no-file",9}{"wrong",8}{"hang",6}{"memory",8}{"crash",7}{"share",8}";

    /// <summary>A line of the table; the share is that of the accepted ones.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{Target,-26}{Cases,9}{this[Outcome.Accepted],10}{this[Outcome.Refused],9}{this[Outcome.NoFile],9}{this[Outcome.WrongType],8}{this[Outcome.Hang],6}{this[Outcome.Memory],8}{this[Outcome.Crash],7}{100.0 * this[Outcome.Accepted] / Math.Max(1, Cases),7:0.0}%");

    internal static FuzzCounts Sum(IEnumerable<FuzzCounts> all) =>
        new("all", [.. Enum.GetValues<Outcome>().Select(outcome => all.Sum(counts => counts[outcome]))]);
}
