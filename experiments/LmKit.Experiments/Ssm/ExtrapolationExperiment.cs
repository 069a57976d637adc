using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>A model trained on recall at length 20 with the authors' layers answers at other lengths (Fu et al. 2022, length extrapolation).</summary>
internal sealed class ExtrapolationExperiment : Experiment
{
    private const int TrainedLength = 20;
    private static readonly (int Length, double Low, double High)[] Bands = [(10, 0.96, 1), (20, 0.952, 1), (40, 0.884, 0.964), (80, 0.81, 0.89), (160, 0.84, 0.92)];

    internal override string Name => "ssm-extrapolation";

    internal override string Title => "A trained H3 answers associative recall at lengths it has never seen";

    internal override string Description =>
        "A two-layer H3 of width 32, trained on associative recall of length 20 with the authors' layers, loaded and asked 500 fresh questions at each length " +
        "(published: 98.4 % at twice the length trained on). The bands are the recorded accuracies of this model, 4 points to either side for the draw of the questions.";

    internal override int SeedsNeeded => 2;

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation)
    {
        using var frozen = no_grad();
        using var model = Load();
        using var random = new Generator((ulong)setting.Seed);
        var count = setting.IsToy ? 20 : 500;
        var measured = Bands.Select(band => (band.Length, Accuracy: Accuracy(model, new AssociativeRecallTask(10, band.Length), count, random))).ToArray();
        var table = new ResultTable(
            FormattableString.Invariant($"Accuracy of the last token, {count} questions a length, +- one standard error"),
            ["length", "of the length trained on", "accuracy"],
            [.. measured.Select(entry => (string[])[FormattableString.Invariant($"{entry.Length}"), FormattableString.Invariant($"{(double)entry.Length / TrainedLength:G2} x"), SyntheticRun.Percent(entry.Accuracy, count)])]);
        var findings = measured.Zip(Bands, (entry, band) => new Finding($"accuracy at length {band.Length}", entry.Accuracy, band.Low, band.High));
        return new ExperimentResult([table], [.. findings]);
    }

    private static LanguageModel Load()
    {
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(AppContext.BaseDirectory, "trained_h3_assoc_recall.safetensors"));
        var weights = reader.ReadAll().Where(entry => !entry.Key.StartsWith("out.", StringComparison.Ordinal)).ToDictionary(entry => entry.Key, entry => entry.Value);
        using var checkpoint = H3Checkpoint.FromTensors(weights);
        return checkpoint.Load(checkpoint.Sizes);
    }

    private static double Accuracy(LanguageModel model, AssociativeRecallTask task, int count, Generator random)
    {
        using var scope = NewDisposeScope();
        var questions = task.Sample(count, random);
        var logits = model.Logits(model.Hidden(questions.narrow(1, 0, task.ExampleLength - 1)).select(1, -1));
        return logits.argmax(1).eq(questions.select(1, -1)).to(ScalarType.Float64).mean().item<double>();
    }
}
