using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The autoencoders of the first paper's code.</summary>
internal static class GoldenAutoencoders
{
    private const long DeadHorizon = 5;

    internal static void Selection(GoldenCase golden)
    {
        var (acts, wanted) = (golden.Tensor("acts"), golden.Tensor("k"));
        var (counts, mask) = TopAfaSelection.Choose(acts, golden.Tensor("dec_norm"), golden.Tensor("target"));
        const int Midpoint = 8; // k = 1 or 2, both fine
        for (var row = 0; row < acts.size(0); row++)
        {
            if (row == Midpoint && golden.Name == "topafa_select")
            {
                Assert.InRange(counts[row].item<long>(), 1, 2);
                continue;
            }
            Assert.Equal(wanted[row].item<long>(), counts[row].item<long>());
            Close.Check($"mask row {row}", golden.Tensor("mask")[row], mask[row].to(ScalarType.Byte));
            Close.Check($"out row {row}", golden.Tensor("out")[row], acts[row] * mask[row]);
        }
    }

    internal static void AfaRepository(GoldenCase golden)
    {
        foreach (var prefix in golden.Groups('.'))
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            var (x, count) = (golden.Tensor(Name("x")), golden.Tensor(Name("param.b_enc")).size(0));
            using var autoencoder = Make(prefix, x.size(1), count);
            Parameters.Fill(autoencoder, golden, Name("param."), Translate);
            var pass = autoencoder.Run(x);
            using var activity = new FeatureActivity(count);
            if (golden.Has(Name("batches_not_active_before")))
            {
                activity.Silence.copy_(golden.Tensor(Name("batches_not_active_before")));
                activity.Update(pass.Codes);
                Parameters.Check(golden, Name("batches_not_active_after"), activity.Silence.to(ScalarType.Float64));
            }
            var loss = autoencoder.Loss(pass, activity.Dead(DeadHorizon));
            loss.Total.backward();

            Parameters.Check(golden, Name("sae_out"), pass.Output);
            Parameters.Check(golden, Name("feature_acts"), pass.Codes);
            Close.Check(Name("l0_per_row"), golden.Tensor(Name("l0_per_row")), pass.Codes.gt(0).sum(1));
            Parameters.Check(golden, Name("loss"), loss.Total);
            foreach (var (term, ours) in new[] { ("l2_loss", "reconstruction"), ("afa_loss", "afa"), ("aux_loss", "aux"), ("l1_loss", prefix.StartsWith("jumprelu", StringComparison.Ordinal) ? "l0" : "l1") })
            {
                if (golden.Has(Name(term)))
                    Parameters.Check(golden, Name(term), loss.Terms.TryGetValue(ours, out var value) ? value : zeros([1], ScalarType.Float64));
            }
            Parameters.CheckGradients(autoencoder, golden, Name("grad."), Translate);
            var rows = autoencoder.get_parameter("W_dec")!;
            UnitRows.Normalize(rows);
            UnitRows.ProjectGradient(rows);
            Parameters.Check(golden, Name("after_constraint.W_dec"), rows);
            Parameters.Check(golden, Name("after_constraint.grad.W_dec"), rows.grad!);
        }

        static string Translate(string name) => name == "log_threshold" ? "jumprelu.log_threshold" : name;
    }

    internal static void TopAfaTraining(GoldenCase golden)
    {
        var (batches, initial) = (golden.Tensor("x"), golden.Tensor("init.W_enc"));
        var options = TopAfaOptions.Official();
        (options.ModelDim, options.FeatureCount, options.AuxiliaryCount) = (initial.size(0), initial.size(1), 8);
        using var autoencoder = Parameters.Make(parameters => new TopAfaAutoencoder(options, parameters));
        Parameters.Fill(autoencoder, golden, "init.");
        using var trainer = new SparseAutoencoderTrainer(autoencoder, new SparseAutoencoderTrainingOptions
        {
            LearningRate = 3e-3,
            Beta1 = 0.9,
            Beta2 = 0.99,
            MaxGradientNorm = 1e5,
            DeadHorizon = DeadHorizon,
        });
        for (var step = 0; step < batches.size(0); step++)
        {
            var done = trainer.Advance(batches[step]);
            Assert.Equal(golden.Tensor("loss")[step].item<double>(), done.Loss, Parameters.Absolute);
            Assert.Equal(golden.Tensor("l0")[step].item<double>(), done.ActiveCount, Parameters.Absolute);
        }
        foreach (var (name, parameter) in autoencoder.named_parameters())
            Close.Check(name, golden.Tensor($"final.{name}"), parameter, absolute: 1e-7);
    }

    private static SparseAutoencoder Make(string prefix, long width, long count)
    {
        var normalization = prefix.EndsWith("_norm", StringComparison.Ordinal) ? InputNormalization.PerRowStandardize : InputNormalization.None;
        T With<T>(T options, double afa, double sparsity = 0)
            where T : SparseAutoencoderOptions
        {
            (options.ModelDim, options.FeatureCount, options.InputNormalization) = (width, count, normalization);
            (options.AfaCoefficient, options.SparsityCoefficient) = (afa, sparsity);
            options.Reconstruction = ReconstructionLoss.NormalizedMean;
            (options.Auxiliary, options.AuxiliaryCoefficient, options.AuxiliaryCount) = (AuxiliaryKind.Residual, 1 / 32.0, 8);
            options.UsesEncoderBias = options is VanillaOptions or JumpReluOptions;
            if (options.UsesEncoderBias)
                options.AuxiliaryCoefficient = 0;
            return options;
        }
        return Parameters.Make<SparseAutoencoder>(parameters => prefix switch
        {
            "topafa_raw" => new TopAfaAutoencoder(With(new TopAfaOptions { LossTarget = AfaTarget.Input }, 1 / 16.0), parameters),
            "topafa_norm" => new TopAfaAutoencoder(With(new TopAfaOptions { LossTarget = AfaTarget.Input }, 1 / 32.0, 1e-3), parameters),
            "topk_raw" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = 4 }, 0), parameters),
            "topk_norm" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = 4 }, 1 / 8.0), parameters),
            "batchtopk_raw" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = 4 }, 0), parameters),
            "vanilla_norm" => new VanillaAutoencoder(With(new VanillaOptions(), 0, 0.01), parameters),
            "jumprelu_raw" => new JumpReluAutoencoder(With(new JumpReluOptions { Kind = JumpReluKind.Rectified, Bandwidth = 0.2, SubtractsDecoderBias = false }, 0, 0.01), parameters),
            _ => throw new ArgumentException($"Unknown prefix '{prefix}'."),
        });
    }
}
