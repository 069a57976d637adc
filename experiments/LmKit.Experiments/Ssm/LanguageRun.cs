using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>One trained model with what was measured on it.</summary>
/// <param name="Mixer">Its mixers.</param>
/// <param name="ParameterCount">Its size.</param>
/// <param name="Measured">Bits per byte on text that was held out.</param>
/// <param name="Curve">Step and training loss in nats a token, averaged over pieces of the run.</param>
/// <param name="Speeds">Its cost at each context.</param>
internal sealed record LanguageRun(LanguageMixer Mixer, long ParameterCount, Estimate Measured, IReadOnlyList<(double Step, double Loss)> Curve, IReadOnlyList<LanguageSpeed> Speeds)
{
    private const int Pieces = 60;

    internal double BitsPerByte => Measured.Value;

    /// <summary>Trains and measures.</summary>
    internal static LanguageRun Of(LanguageMixer mixer, LanguageText text, LanguageRecipe recipe, ExperimentSetting setting, CancellationToken cancellation)
    {
        setting.Progress.Report($"{mixer.Name}: {recipe.Steps} steps of {recipe.BatchSize} x {recipe.WindowLength} tokens");
        using var model = mixer.Build(recipe, text.Training.VocabSize, (ulong)setting.Seed);
        var losses = new List<double>();
        using (var trainer = new Trainer(new LanguageModelTask(model, text.Training, recipe.WindowLength, recipe.BatchSize, setting.Seed), Options(recipe)))
            trainer.Run(step => Tell(step, losses, setting.Progress), cancellation);
        var loss = LanguageModelTask.Evaluate(model, text.HeldOut, recipe.WindowLength, recipe.BatchSize);
        setting.Progress.Report($"{mixer.Name}: {text.BitsPerByte(loss)} bits per byte held out; now its speed");
        var speeds = recipe.Contexts.Select(context => LanguageSpeed.Of(model, context, recipe.DecodedTokens)).ToArray();
        return new LanguageRun(mixer, model.parameters().Sum(parameter => parameter.numel()), text.BitsPerByte(loss), Averages(losses), speeds);
    }

    private static TrainingOptions Options(LanguageRecipe recipe) => new()
    {
        Steps = recipe.Steps,
        LearningRate = 3e-3,
        WarmupSteps = Math.Min(50, recipe.Steps / 4),
        Beta2 = 0.98,
        WeightDecay = 0.1,
        FinalShare = 0,
    };

    private static (double Step, double Loss)[] Averages(List<double> losses) =>
        [.. losses.Chunk(Math.Max(1, losses.Count / Pieces)).Select((piece, index) => ((double)index * Math.Max(1, losses.Count / Pieces), piece.Average()))];

    private static void Tell(TrainingStep step, List<double> losses, IProgress<string> progress)
    {
        losses.Add(step.Loss);
        if (step.Step % 200 == 0)
            progress.Report(FormattableString.Invariant($"step {step.Step}: loss {losses.TakeLast(50).Average():F3}"));
    }
}
