using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The task autoencoders of the second paper's code.</summary>
internal static class GoldenTaskAutoencoders
{
    internal static void Check(GoldenCase golden)
    {
        var (raw, scaled) = (golden.Tensor("A"), golden.Tensor("A_normalized"));
        // Their scale turns activations to mean norm sqrt(d).
        using var scale = ActivationScale.ExpectedAverage(raw);
        golden.Check("scale", 1 / scale.Factor, Parameters.Absolute);
        Close.Check("A_normalized", scaled, scale.Apply(raw), absolute: Parameters.Absolute);
        foreach (var prefix in golden.Groups('.'))
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            using var autoencoder = Make(golden, prefix, scaled.size(1), golden.Tensor(Name("param.W_dec")).size(0));
            Parameters.Fill(autoencoder, golden, Name("param."), name => Translate(prefix, name));
            var pass = autoencoder.Run(scaled);
            var loss = autoencoder.Loss(pass, gradients: golden.Tensor("A_grad"));
            loss.Total.backward();

            Parameters.Check(golden, Name("acts"), pass.Codes);
            // Their terms are before the coefficients.
            var options = autoencoder.Options;
            var vanilla = options as VanillaOptions;
            foreach (var (theirs, ours, coefficient) in new[]
            {
                ("l2", "reconstruction", 1), ("recon", "reconstruction", 1), ("aux", "gate", 1), ("l1", "l1", options.SparsityCoefficient), ("sparsity", "l1", options.SparsityCoefficient),
                ("attr_sparsity", "attribution", vanilla?.AttributionCoefficient ?? 1), ("unexplained", "unexplained", vanilla?.UnexplainedCoefficient ?? 1),
            })
            {
                if (golden.Has(Name($"loss.{theirs}")))
                    Parameters.Check(golden, Name($"loss.{theirs}"), loss.Terms[ours] / coefficient);
            }
            if (golden.Has(Name("pi_gate")))
                Parameters.Check(golden, Name("pi_gate"), pass.PreActivations);
            Parameters.Check(golden, Name("total"), loss.Total);
            Parameters.Check(golden, Name("recon"), pass.Output);
            Parameters.CheckGradients(autoencoder, golden, Name("grad."), name => Translate(prefix, name));
        }
    }

    private static string Translate(string prefix, string name) => (prefix, name) switch
    {
        ("gated", "W_enc") => "W_gate",
        ("topk", "b_dec") => "b_pre",
        _ => name,
    };

    // Where a file states nothing of a prefix, the coefficients of the data's README.
    private static SparseAutoencoder Make(GoldenCase golden, string prefix, long width, long count)
    {
        double Setting(string key, double published) => Parameters.Setting(golden, prefix, key, published);
        return Parameters.Make<SparseAutoencoder>(parameters => prefix switch
        {
            "vanilla" => new VanillaAutoencoder(new VanillaOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = Setting("l1_coeff", 5) }, parameters),
            "gated" => new GatedAutoencoder(new GatedOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = Setting("sparsity_coeff", 2.5), Kind = GatedKind.UnrectifiedMagnitudes }, parameters),
            "attribution" => new VanillaAutoencoder(
                new VanillaOptions
                {
                    ModelDim = width,
                    FeatureCount = count,
                    SparsityCoefficient = Setting("l1_coeff", 0.5),
                    AttributionCoefficient = Setting("attr_sparsity_coeff", 1000),
                    UnexplainedCoefficient = Setting("unexplained_coeff", 1000),
                },
                parameters),
            "topk" => new TopKAutoencoder(new TopKOptions { ModelDim = width, FeatureCount = count, ActiveCount = Parameters.WholeSetting(golden, prefix, "top_k"), AllowsNegativeCodes = true, UsesEncoderBias = false }, parameters),
            _ => throw new ArgumentException($"{golden.Path} names the autoencoder '{prefix}'; those computed are vanilla, gated, attribution and topk."),
        });
    }
}
