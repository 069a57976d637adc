using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>Training with state passing in chunks is training with the whole convolution (Fu et al. 2022, Section 5.2).</summary>
internal sealed class StatePassingExperiment : Experiment
{
    private const int ChunkLength = 64;
    private const long WindowLength = 300;

    internal override string Name => "ssm-state-passing";

    internal override string Title => "Training in chunks with exact state passing equals training on whole sequences";

    internal override string Description =>
        "A two-layer hybrid on bytes of the SDK's reference documentation, windows of 300, 50 steps: once with whole-length convolutions, once in chunks of 64 " +
        "with the state passed on, from the same parameters in the same order. The largest difference of a step's loss is what is measured.";

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        var steps = setting.IsToy ? 3 : 50;
        using var text = new LanguageText(LanguageRecipe.Toy, cancellation);
        var rows = new List<string[]>();
        var findings = new List<Finding>();
        foreach (var (dtype, high) in new[] { (ScalarType.Float64, 1e-9), (ScalarType.Float32, 1e-4) })
        {
            setting.Progress.Report($"{dtype}, {steps} steps, twice");
            var whole = Losses(text, 0, dtype, steps, setting, cancellation);
            var chunked = Losses(text, ChunkLength, dtype, steps, setting, cancellation);
            var difference = whole.Zip(chunked, (first, second) => Math.Abs(first - second)).Max();
            findings.Add(new Finding($"largest difference of a loss, {dtype}", difference, High: high));
            rows.Add([$"{dtype}", Finding.Text(whole[0]), Finding.Text(whole[^1]), Finding.Text(chunked[^1]), Finding.Text(difference)]);
        }
        return new ExperimentResult([new ResultTable("Loss in nats a token", ["dtype", "first", "last, whole", "last, in chunks", "largest difference"], rows)], findings);
    }

    private static List<double> Losses(LanguageText text, int chunk, ScalarType dtype, int steps, ExperimentSetting setting, CancellationToken cancellation)
    {
        var builder = new LanguageModelBuilder { VocabSize = text.Training.VocabSize, ModelDim = 32, LayerCount = 2, Dtype = dtype }
            .AddH3(h3 => { h3.StateDim = 32; h3.ChunkLength = chunk; })
            .AddAttention(attention => attention.HeadCount = 2, layers: [1]);
        builder.Options.Seed = (ulong)setting.Seed;
        using var model = builder.Build();
        var losses = new List<double>();
        using var trainer = new Trainer(new LanguageModelTask(model, text.Training, WindowLength, 4, setting.Seed), new TrainingOptions { Steps = steps, LearningRate = 3e-3, WarmupSteps = 5 });
        trainer.Run(step => losses.Add(step.Loss), cancellation);
        return losses;
    }
}
