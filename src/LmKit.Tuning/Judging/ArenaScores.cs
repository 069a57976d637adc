namespace LmKit;

/// <summary>Scores of graded pairwise verdicts from two games with swapped places.</summary>
public static class ArenaScores
{
    private const int StrongWeight = 3;

    /// <summary>The model's scores: 1 for a win, 0 for a loss, 1/2 for a tie; strong verdicts count three times.</summary>
    /// <param name="first">The verdict with the baseline shown as A.</param>
    /// <param name="second">The verdict with the model shown as A.</param>
    /// <returns>The second game's scores and then the first's; empty when a game has no verdict.</returns>
    public static IReadOnlyList<double> Of(string? first, string? second) =>
        first is null || second is null ? [] : [.. One(second), .. One(first).Select(score => 1 - score)];

    // Scores of the model that is shown as A.
    private static IEnumerable<double> One(string verdict) => verdict switch
    {
        "A>>B" => Enumerable.Repeat(1.0, StrongWeight),
        "A>B" => [1],
        "A=B" => [0.5],
        "B>A" => [0],
        "B>>A" => Enumerable.Repeat(0.0, StrongWeight),
        _ => throw new ArgumentException($"'{verdict}' is no verdict.", nameof(verdict)),
    };
}
