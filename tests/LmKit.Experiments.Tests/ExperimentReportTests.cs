namespace LmKit.Experiments.Tests;

public sealed class ExperimentReportTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-experiments-").FullName;

    [Theory]
    [InlineData(true, 2, 3, 0)]
    [InlineData(false, 2, 0, 0)]
    [InlineData(false, double.NaN, 0, 5)]
    public void A_claim_is_reproduced_when_enough_seeds_hold(bool isReproduced, double first, double second, double third)
    {
        var report = Report(first, second, third);

        Assert.Equal(isReproduced, report.IsReproduced);
        Assert.Contains(isReproduced ? "**Reproduced" : "**Not reproduced", report.ToMarkdown(), StringComparison.Ordinal);
    }

    [Fact]
    public void One_seed_that_holds_is_no_verdict_where_two_are_needed()
    {
        var report = Report(2);

        Assert.False(report.IsReproduced);
        Assert.Contains("**Too few seeds for a verdict", report.ToMarkdown(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_page_shows_every_seed_the_failing_ones_too()
    {
        var page = Report(2, 0.5, 3).ToMarkdown();

        Assert.Contains("## Seed 1: does not hold", page, StringComparison.Ordinal);
        Assert.Contains("| figure | at least 1 | 0.5 | no |", page, StringComparison.Ordinal);
        Assert.Contains("| 2 | 3 |", page, StringComparison.Ordinal);
        Assert.Contains("-- fixed --seed 0 1 2", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Page_and_pictures_are_written_over_older_ones()
    {
        Report(1, 1, 1).Save(folder);
        Report(2, 2, 2).Save(folder);

        Assert.Equal(["fixed-seed0.png", "fixed-seed1.png", "fixed-seed2.png", "fixed.md"], Directory.GetFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains("| 0 | 2 |", File.ReadAllText(Path.Combine(folder, "fixed.md")), StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_line_knows_every_experiment_once()
    {
        var names = ExperimentCatalog.All.Select(experiment => experiment.Name).ToArray();

        Assert.Equal(names.Distinct(), names);
        Assert.All(names, name => Assert.Empty(ExperimentCommand.Create(ExperimentCatalog.All).Parse([name, "--seed", "1", "2", "--toy"]).Errors));
        Assert.NotEmpty(ExperimentCommand.Create(ExperimentCatalog.All).Parse(["no-such-experiment"]).Errors);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static ExperimentReport Report(params double[] measured)
    {
        var experiment = new FixedExperiment(measured);
        var runs = measured.Select((_, seed) => new ExperimentRun(seed, TimeSpan.FromSeconds(1), experiment.Run(new ExperimentSetting(seed, false, new Progress<string>()), default)));
        return new ExperimentReport(experiment, [.. runs], isToy: false);
    }
}
