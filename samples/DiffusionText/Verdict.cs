namespace LmKit.DiffusionText;

/// <summary>What a run of full size shows: that the figures are reproduced, that they are not, or only what was looked at.</summary>
/// <remarks>DiDi's figures vary with the seed: they count as reproduced when its windows hold for two seeds in three, of at least three.
/// All other windows have to hold.</remarks>
/// <param name="checks">The windows that do not depend on DiDi's seed.</param>
/// <param name="seedCount">Seeds that DiDi ran on; 0 when it did not run.</param>
/// <param name="reproducedSeeds">Those for which all windows of the student hold.</param>
/// <param name="reproducedRankings">Those for which all windows of re-ranking hold.</param>
internal sealed class Verdict(IReadOnlyList<Window> checks, int seedCount, int reproducedSeeds, int reproducedRankings)
{
    private const int FewestSeeds = 3;

    /// <summary>The verdict as a sentence.</summary>
    public override string ToString()
    {
        var failing = checks.Where(check => !check.Holds).Select(check => check.Name).ToList();
        var didi = $"of {seedCount} seeds DiDi meets its windows for {reproducedSeeds}, re-ranking for {reproducedRankings}";
        if (seedCount < FewestSeeds)
        {
            return $"No verdict: it takes DiDi on at least {FewestSeeds} seeds, here {seedCount}. Checked: "
                + (seedCount > 0 ? $"{didi}; " : "")
                + $"{checks.Count - failing.Count} of {checks.Count} other windows hold{(failing.Count > 0 ? $", not {string.Join("; ", failing)}" : "")}.";
        }
        var needed = (2 * seedCount + 2) / 3; // two thirds, rounded up
        if (reproducedSeeds < needed)
            failing.Add($"DiDi meets its windows for {reproducedSeeds} of {seedCount} seeds, {needed} are needed");
        if (reproducedRankings < needed)
            failing.Add($"re-ranking meets its windows for {reproducedRankings} of {seedCount} seeds, {needed} are needed");
        return failing.Count == 0 ? $"Verdict: reproduced ({didi})." : $"Verdict: not reproduced. Failing: {string.Join("; ", failing)}.";
    }
}
