using Spectre.Console;

namespace LmKit.InstructionTuning;

/// <summary>Shows a seed's run: live bars in a terminal, a line now and then anywhere else.</summary>
public static class RunDisplay
{
    private const int LineInterval = 100;

    /// <summary>Runs the work, showing each training step that it reports.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="work">The work.</param>
    public static async Task<T> ShowAsync<T>(long seed, Func<Action<string, TrainingStep>, Task<T>> work)
    {
        if (!AnsiConsole.Profile.Capabilities.Interactive)
            return await work((arm, step) => Write(seed, arm, step));
        return await AnsiConsole.Progress().StartAsync(async context =>
        {
            var bars = new Dictionary<string, ProgressTask>(StringComparer.Ordinal);
            return await work((arm, step) =>
            {
                if (!bars.TryGetValue(arm, out var bar))
                    bars[arm] = bar = context.AddTask($"seed {seed}, {arm}", maxValue: step.TotalSteps);
                bar.Value = step.Step;
                bar.Description = FormattableString.Invariant($"seed {seed}, {arm}, loss {step.Loss:F2}");
            });
        });
    }

    private static void Write(long seed, string arm, TrainingStep step)
    {
        if (step.Step % LineInterval == 0 || step.Step == step.TotalSteps)
            AnsiConsole.Profile.Out.Writer.WriteLine(FormattableString.Invariant($"seed {seed}, {arm}: step {step.Step}/{step.TotalSteps}, loss {step.Loss:F3}, {step.Elapsed.TotalSeconds:F0} s"));
    }
}
