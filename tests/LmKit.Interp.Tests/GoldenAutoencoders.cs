using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The autoencoders of the first paper's code.</summary>
internal static class GoldenAutoencoders
{
    private const int DeadHorizon = 5;

    /// <summary>The fewest features whose norm is nearest to the target. Any row may tie: two counts equally near, or equal masses at the cut.</summary>
    internal static void Selection(GoldenCase golden)
    {
        var (acts, norms, target, theirs) = (golden.Tensor("acts"), golden.Tensor("dec_norm"), golden.Tensor("target"), golden.Tensor("k"));
        var (theirMask, theirOut) = (golden.Tensor("mask"), golden.Tensor("out"));
        var mass = (acts * norms).square();
        var sorted = mass.sort(1, descending: true).Values;
        var reached = sorted.cumsum(1).sqrt();
        Close.Check("out", theirOut, acts * theirMask);
        Close.Check("k", theirs, theirMask.to(ScalarType.Int64).sum(1));
        Compare(hasSentinel: false);
        if (golden.Has("cum_norm"))
        {
            var last = acts.size(1) - 1;
            Close.Check("cum_norm", golden.Tensor("cum_norm"), cat([reached.narrow(1, 0, last), full(acts.size(0), 1, 1e4, ScalarType.Float64)], 1), absolute: Parameters.Absolute);
            Compare(hasSentinel: true);
        }

        void Compare(bool hasSentinel)
        {
            var (counts, mask) = TopAfaSelection.Choose(acts, norms, target, hasSentinel);
            for (var row = 0; row < acts.size(0); row++)
            {
                var (ours, wanted) = (counts[row].item<long>(), theirs[row].item<long>());
                double Missed(long count) => Math.Abs(reached[row, count - 1].item<double>() - target[row].item<double>());
                if (ours != wanted)
                    Assert.True(Math.Abs(Missed(ours) - Missed(wanted)) <= Parameters.Absolute, $"{golden.Path}, row {row}: k = {ours} misses the target by {Missed(ours)}, the file's {wanted} by {Missed(wanted)}.");
                // Equal masses at the cut may stand for each other, so masses are compared, not places.
                Close.Check($"kept masses of row {row}", sorted[row].narrow(0, 0, wanted), mass[row].masked_select(theirMask[row].to(ScalarType.Bool)).sort(0, descending: true).Values);
                Close.Check($"our masses of row {row}", sorted[row].narrow(0, 0, ours), mass[row].masked_select(mask[row]).sort(0, descending: true).Values);
            }
        }
    }

    internal static void AfaRepository(GoldenCase golden)
    {
        foreach (var prefix in golden.Groups('.'))
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            var (x, count) = (golden.Tensor(Name("x")), golden.Tensor(Name("param.b_enc")).size(0));
            using var autoencoder = Make(golden, prefix, x.size(1), count);
            Parameters.Fill(autoencoder, golden, Name("param."), Translate);
            var pass = autoencoder.Run(x);
            using var activity = new FeatureActivity(count);
            if (golden.Has(Name("batches_not_active_before")))
            {
                activity.Silence.copy_(golden.Tensor(Name("batches_not_active_before")));
                activity.Update(pass.Codes);
                Parameters.Check(golden, Name("batches_not_active_after"), activity.Silence.to(ScalarType.Float64));
            }
            var loss = autoencoder.Loss(pass, activity.Dead(Parameters.WholeSetting(golden, prefix, "n_batches_to_dead", DeadHorizon)));
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
            CheckStatistics(golden, prefix, autoencoder, pass.Codes);
            Parameters.CheckGradients(autoencoder, golden, Name("grad."), Translate);
            var rows = autoencoder.get_parameter("W_dec")!;
            UnitRows.Normalize(rows);
            UnitRows.ProjectGradient(rows);
            Parameters.Check(golden, Name("after_constraint.W_dec"), rows);
            Parameters.Check(golden, Name("after_constraint.grad.W_dec"), rows.grad!);
        }

        static string Translate(string name) => name == "log_threshold" ? "jumprelu.log_threshold" : name;
    }

    // What the published code logs beside the loss; of a JumpReLU it counts features where the others have the sum of codes.
    private static void CheckStatistics(GoldenCase golden, string prefix, SparseAutoencoder autoencoder, Tensor codes)
    {
        var active = codes.gt(0).sum(1).to(ScalarType.Float64).mean();
        var coherence = DecoderCoherence.Of(autoencoder.get_parameter("W_dec")!.detach());
        Parameters.Check(golden, $"{prefix}.l0_norm", active);
        Parameters.Check(golden, $"{prefix}.l1_norm", autoencoder is JumpReluAutoencoder ? active : codes.abs().sum(1).mean());
        foreach (var (name, value) in new[] { ("epsilon_max", coherence.Largest), ("epsilon_mean", coherence.Mean) })
        {
            if (golden.Has($"{prefix}.{name}"))
                golden.Check($"{prefix}.{name}", value, Parameters.Absolute);
        }
    }

    internal static void TopAfaTraining(GoldenCase golden)
    {
        var (batches, initial) = (golden.Tensor("x"), golden.Tensor("init.W_enc"));
        var options = TopAfaOptions.Official();
        (options.ModelDim, options.FeatureCount, options.AuxiliaryCount) = (initial.size(0), initial.size(1), golden.Options.Whole("top_k_aux", 8));
        options.AfaCoefficient = golden.Options.Number("afa_coeff", 1 / 32.0);
        // Where a file states nothing, the data's README.
        var betas = golden.Options.Has("betas") ? golden.Options.Numbers("betas") : [0.9, 0.99];
        using var autoencoder = Parameters.Make(parameters => new TopAfaAutoencoder(options, parameters));
        Parameters.Fill(autoencoder, golden, "init.");
        using var task = AutoencoderTask.OnBatches(autoencoder, batches.unbind(), new AutoencoderTaskOptions
        {
            LearningRate = golden.Options.Number("lr", 3e-3),
            Beta1 = betas[0],
            Beta2 = betas[1],
            MaxGradientNorm = golden.Options.Number("max_grad_norm", 1e5),
            DeadHorizon = golden.Options.Whole("n_batches_to_dead", DeadHorizon),
        });
        using var trainer = new Trainer(task);
        for (var step = 0; step < batches.size(0); step++)
        {
            var done = trainer.Advance()!;
            Close.Check($"loss {step}", golden.Tensor("loss")[step], tensor(done.Loss), absolute: Parameters.Absolute);
            Close.Check($"l0 {step}", golden.Tensor("l0")[step], tensor(done.Figures["active_count"]), absolute: Parameters.Absolute);
        }
        foreach (var (name, parameter) in autoencoder.named_parameters())
            Close.Check(name, golden.Tensor($"final.{name}"), parameter, absolute: 1e-7);
    }

    // Coefficients that the data's README gives for each prefix: of the AFA loss and of sparsity.
    private static readonly Dictionary<string, (double Afa, double Sparsity)> published = new()
    {
        ["topafa_raw"] = (1 / 16.0, 0),
        ["topafa_norm"] = (1 / 32.0, 1e-3),
        ["topk_raw"] = (0, 0),
        ["topk_norm"] = (1 / 8.0, 0),
        ["batchtopk_raw"] = (0, 0),
        ["vanilla_norm"] = (0, 0.01),
        ["jumprelu_raw"] = (0, 0.01),
    };

    private static SparseAutoencoder Make(GoldenCase golden, string prefix, long width, long count)
    {
        var isPublished = GoldenAutoencoders.published.TryGetValue(prefix, out var published);
        double Setting(string key, double value) => Parameters.Setting(golden, prefix, key, isPublished ? value : null);
        long Whole(string key) => Parameters.WholeSetting(golden, prefix, key);
        T With<T>(T options)
            where T : SparseAutoencoderOptions
        {
            (options.ModelDim, options.FeatureCount) = (width, count);
            options.InputNormalization = prefix.Contains("_norm", StringComparison.Ordinal) ? InputNormalization.PerRowStandardize : InputNormalization.None;
            options.UsesEncoderBias = options is VanillaOptions or JumpReluOptions;
            options.SparsityCoefficient = Setting("l1_coeff", published.Sparsity);
            options.Reconstruction = ReconstructionLoss.NormalizedMean;
            if (options.UsesEncoderBias)
                return options;
            options.AfaCoefficient = Setting("afa_coeff", published.Afa);
            (options.Auxiliary, options.AuxiliaryCoefficient, options.AuxiliaryCount) = (AuxiliaryKind.Residual, Setting("aux_penalty", 1 / 32.0), Whole("top_k_aux"));
            return options;
        }
        return Parameters.Make<SparseAutoencoder>(parameters => prefix.Split('_')[0] switch
        {
            "topafa" => new TopAfaAutoencoder(With(new TopAfaOptions { LossTarget = AfaTarget.Input }), parameters),
            "topk" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = Whole("top_k") }), parameters),
            "batchtopk" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = Whole("top_k") }), parameters),
            "vanilla" => new VanillaAutoencoder(With(new VanillaOptions()), parameters),
            "jumprelu" => new JumpReluAutoencoder(With(new JumpReluOptions { Kind = JumpReluKind.Rectified, Bandwidth = Setting("bandwidth", 0.2), SubtractsDecoderBias = false }), parameters),
            _ => throw new ArgumentException($"{golden.Path} names the autoencoder '{prefix}'; those computed begin with topafa, topk, batchtopk, vanilla or jumprelu."),
        });
    }
}
