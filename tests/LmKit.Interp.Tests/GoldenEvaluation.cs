using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

internal static class GoldenEvaluation
{
    private const double Tight = 1e-9;

    internal static void Control(GoldenCase golden)
    {
        var scale = golden.Options.Number("normalization_scale");
        var (clean, other) = (new ActivationBatch(golden.Tensor("A")), new ActivationBatch(golden.Tensor("A_cf")));
        var rows = golden.Tensor("param.W_dec");
        using var autoencoder = Parameters.Make(parameters => new VanillaAutoencoder(new VanillaOptions { ModelDim = rows.size(1), FeatureCount = rows.size(0) }, parameters));
        Parameters.Fill(autoencoder, golden, "param.");
        var codes = autoencoder.Encode(clean);
        Parameters.Check(golden, "acts", codes);
        var weights = SparseControl.Weights(autoencoder, codes);
        Parameters.Check(golden, "weights", weights);
        foreach (var (name, objective) in new[] { ("activation", ControlObjective.Activation), ("reconstruction", ControlObjective.Reconstruction) })
        {
            var features = golden.Tensor($"{name}.features");
            var edit = SparseControl.Greedy(autoencoder, clean, other, (int)features.size(1), objective);
            Close.Check($"{name}.features", features, edit.Features);
            Parameters.Check(golden, $"{name}.edited", edit.Edited * scale);
            // Distances near 0 come out of a difference of squares.
            Close.Check($"{name}.scores", golden.Tensor($"{name}.scores"), edit.Distances, absolute: Tight, relative: Parameters.Relative);
            Parameters.Check(golden, $"{name}.clean_coef", edit.CleanCodes);
            Parameters.Check(golden, $"{name}.cf_coef", edit.CounterfactualCodes);
            if (objective == ControlObjective.Activation)
                Parameters.Check(golden, "removed_weight", weights.gather(1, edit.Features).sum(1));
        }
        var wanted = golden.Tensor("f1edit.removed");
        var (edited, removed, added) = SparseControl.ByInterpretation(autoencoder, clean, other, golden.Tensor("f1order"), golden.Tensor("attr_clean"), golden.Tensor("attr_cf"), (int)wanted.size(1));
        Close.Check("f1edit.removed", wanted, removed);
        Close.Check("f1edit.added", golden.Tensor("f1edit.added"), added);
        Parameters.Check(golden, "f1edit.edited", edited * scale);
    }

    internal static void Scores(GoldenCase golden)
    {
        var active = golden.Tensor("active").to(ScalarType.Bool);
        var columns = golden.Names("attr.").Select(name => name["attr.".Length..]).ToArray();
        var attributes = stack([.. columns.Select(name => golden.Tensor($"attr.{name}"))], 1);
        foreach (var name in golden.Names("f1.").Select(name => name["f1.".Length..]))
        {
            var shape = golden.Tensor($"f1.{name}").shape;
            var block = new AttributeBlock(name, [.. name.Split('+').Select(part => (long)Array.IndexOf(columns, part))], shape[1..]);
            using var scores = FeatureScores.Of(active, attributes, block);
            CheckWithGaps(golden, $"precision.{name}", scores.Precision.reshape(shape));
            CheckWithGaps(golden, $"recall.{name}", scores.Recall.reshape(shape));
            CheckWithGaps(golden, $"f1.{name}", scores.F1.reshape(shape));
            CheckWithGaps(golden, $"best_f1.{name}", scores.Best());
            if (golden.Has($"top_scores.{name}"))
            {
                var (_, top) = scores.Top((int)golden.Tensor($"top_scores.{name}").size(1));
                CheckWithGaps(golden, $"top_scores.{name}", top);
                // Features that tie stand in any order: those of the file are compared by their scores.
                Close.Check($"top_features.{name}", golden.Tensor($"top_scores.{name}"), scores.Ranked().t().gather(1, golden.Tensor($"top_features.{name}")), absolute: Tight);
            }
            CheckBest(golden, name, scores.F1.reshape(shape));
            if (golden.Has($"group_f1.{name}"))
            {
                // Values that tie stand in any order: unions are compared in theirs, the ranking by its scores.
                var theirs = golden.Tensor($"group_values.{name}");
                CheckWithGaps(golden, $"group_f1.{name}", FeatureScores.UnionsOf(active, attributes, block, theirs));
                var (values, _) = FeatureScores.Unions(active, attributes, block, (int)theirs.size(1));
                Close.Check($"ranked {name}", scores.Ranked().gather(1, theirs), scores.Ranked().gather(1, values));
            }
        }
    }

    // The best value of each axis, by the score that it stands for.
    private static void CheckBest(GoldenCase golden, string name, Tensor f1)
    {
        var axes = golden.Names($"best_value.{name}.").Select(golden.Tensor).ToArray();
        var flat = axes[0].clone();
        for (var axis = 1; axis < axes.Length; axis++)
            flat = flat * f1.size(axis + 1) + axes[axis];
        CheckWithGaps(golden, $"best_f1.{name}", f1.nan_to_num(double.NegativeInfinity).flatten(1).gather(1, flat.unsqueeze(1)).squeeze(1)); // of a feature that never fires
    }

    private static void CheckWithGaps(GoldenCase golden, string name, Tensor actual) => Parameters.CheckWithGaps(golden, name, actual);
}
