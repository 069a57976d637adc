using System.Globalization;
using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>The CSV file of a run's steps.</summary>
[NoTensorLeak]
public sealed class LossCurveTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string Path => folder["curve.csv"];

    private string[][] Rows => [.. File.ReadAllLines(Path).Skip(1).Select(line => line.Split(','))];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_step_has_a_row_with_what_it_reported()
    {
        var steps = Run(3, evaluates: true);
        Assert.StartsWith("step,loss,token_count,gradient_norm,learning_rate,evaluation,", File.ReadAllText(Path), StringComparison.Ordinal);
        Assert.Equal(steps.Select(step => step.Loss), Rows.Select(row => double.Parse(row[1], CultureInfo.InvariantCulture)));
        Assert.Equal(["", "2", ""], Rows.Select(row => row[5]));
        Assert.All(Rows, row => Assert.Equal(9, row.Length));
    }

    [Fact]
    public void Figures_and_helpers_have_a_column_and_what_is_not_a_number_is_empty()
    {
        using (var task = new BrokenTask(BrokenTaskLaw.None, 1, 2))
        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 2, LossCurveFile = Path }))
        {
            var step = trainer.Advance()!;
            Assert.Equal(["loss.second", "second"], step.Figures.Keys.Order());
            Assert.Contains(FormattableString.Invariant($"loss.second={step.Figures["loss.second"]:R}"), Rows[0][8], StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_resumed_run_cuts_the_rows_after_its_step()
    {
        var whole = Run(4);
        Assert.Equal(4, Rows.Length);
        File.AppendAllText(Path, "5,0.2"); // what a killed process left of a row
        using var task = new ScriptedTask([]);
        using var trainer = new Trainer(task, Options(6));
        Assert.True(trainer.Resume()); // at step 2
        _ = trainer.Advance();
        Assert.Equal(["1", "2", "3"], Rows.Select(row => row[0]));
        Assert.Equal(whole[2].Loss.ToString("R", CultureInfo.InvariantCulture), Rows[2][1]);
    }

    [Theory]
    [InlineData("step,loss\n1,2\n")]
    [InlineData("my notes\n")]
    [InlineData("step,loss,token_count,gradient_norm,learning_rate,evaluation,evaluation_error,elapsed_seconds,figures\nfirst,2\n")]
    public void A_file_that_is_not_a_loss_curve_is_refused_and_stays(string content)
    {
        File.WriteAllText(Path, content);
        using var task = new ScriptedTask([]);
        using var trainer = new Trainer(task, Options(2));
        Assert.Contains("curve.csv is there and is not a loss curve", Assert.Throws<IOException>(() => trainer.Run()).Message, StringComparison.Ordinal);
        Assert.Equal(0, trainer.Step);
        Assert.Equal(content, File.ReadAllText(Path));
    }

    private List<TrainingStep> Run(long steps, bool evaluates = false)
    {
        using var task = new ScriptedTask(evaluates ? [1, 2, 3] : []);
        var options = Options(6);
        (options.Steps, options.EvaluationInterval) = (evaluates ? steps : 6, evaluates ? 2 : 0);
        if (evaluates)
            options.Steps = 4;
        using var trainer = new Trainer(task, options);
        var done = new List<TrainingStep>();
        while (done.Count < steps)
        {
            done.Add(trainer.Advance()!);
            if (trainer.Step == 2)
                trainer.Save();
        }
        return done;
    }

    private TrainingOptions Options(long steps) => new() { Steps = steps, CheckpointFolder = folder["run"], LossCurveFile = Path };
}
