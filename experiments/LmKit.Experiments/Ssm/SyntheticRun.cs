namespace LmKit.Experiments;

/// <summary>One mixer trained by one recipe.</summary>
/// <param name="Mixer">The mixer.</param>
/// <param name="Recipe">The recipe.</param>
/// <param name="Accuracies">Test accuracy after each pass.</param>
internal sealed record SyntheticRun(SyntheticMixer Mixer, SyntheticRecipe Recipe, IReadOnlyList<double> Accuracies)
{
    /// <summary>The best test accuracy; NaN without a test.</summary>
    internal double Best => Accuracies.Count == 0 ? double.NaN : Accuracies.Max();

    /// <summary>The step after which the best accuracy was first reached.</summary>
    internal long BestStep => Recipe.StepsPerEpoch * (1 + Accuracies.ToList().IndexOf(Best));

    /// <summary>Trains.</summary>
    internal static SyntheticRun Of(SyntheticMixer mixer, SyntheticTask task, SyntheticRecipe recipe, ExperimentSetting setting, CancellationToken cancellation)
    {
        setting.Progress.Report($"{mixer.Name} on {task.GetType().Name}, up to {recipe.Steps} steps");
        using var model = mixer.Build(task, recipe.DropoutRate, (ulong)setting.Seed);
        return new SyntheticRun(mixer, recipe, SyntheticTraining.Run(model, task, recipe, (ulong)setting.Seed + 1, setting.Progress, cancellation));
    }

    /// <summary>A row of a table: mixer, steps done, best accuracy with the standard error of one test, and where.</summary>
    internal string[] Row(string recipe) =>
        [Mixer.Name, recipe, FormattableString.Invariant($"{Recipe.StepsPerEpoch * Accuracies.Count}"), Accuracies.Count == 0 ? "" : Percent(Best, Recipe.TestCount), FormattableString.Invariant($"{BestStep}")];

    /// <summary>A share of so many questions and its standard error, in percent.</summary>
    internal static string Percent(double share, long count) => Estimate.OfShare((long)Math.Round(share * count), count, "questions").Scaled(100).Brief() + " %";

    /// <summary>The accuracy over steps.</summary>
    internal (string Name, double[] Places, double[] Values) Curve(string name) =>
        (name, [.. Accuracies.Select((_, pass) => (double)Recipe.StepsPerEpoch * (pass + 1))], [.. Accuracies]);
}
