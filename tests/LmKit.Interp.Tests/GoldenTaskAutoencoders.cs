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
        Assert.Equal(golden.Number("scale"), 1 / scale.Factor, Parameters.Absolute);
        Close.Check("A_normalized", scaled, scale.Apply(raw), absolute: Parameters.Absolute);
        foreach (var prefix in (string[])["vanilla", "gated", "attribution", "topk"])
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            using var autoencoder = Make(prefix, scaled.size(1), golden.Tensor(Name("param.W_dec")).size(0));
            Parameters.Fill(autoencoder, golden, Name("param."), name => Translate(prefix, name));
            var pass = autoencoder.Run(scaled);
            var loss = autoencoder.Loss(pass, gradients: golden.Tensor("A_grad"));
            loss.Total.backward();

            Parameters.Check(golden, Name("acts"), pass.Codes);
            foreach (var (theirs, ours) in new[] { ("l2", "reconstruction"), ("recon", "reconstruction"), ("aux", "gate") })
            {
                if (golden.Has(Name($"loss.{theirs}")))
                    Parameters.Check(golden, Name($"loss.{theirs}"), loss.Terms[ours]);
            }
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

    private static SparseAutoencoder Make(string prefix, long width, long count) => Parameters.Make<SparseAutoencoder>(parameters => prefix switch
    {
        "vanilla" => new VanillaAutoencoder(new VanillaOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = 5 }, parameters),
        "gated" => new GatedAutoencoder(new GatedOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = 2.5, Kind = GatedKind.UnrectifiedMagnitudes }, parameters),
        "attribution" => new VanillaAutoencoder(
            new VanillaOptions { ModelDim = width, FeatureCount = count, SparsityCoefficient = 0.5, AttributionCoefficient = 1000, UnexplainedCoefficient = 1000 },
            parameters),
        _ => new TopKAutoencoder(new TopKOptions { ModelDim = width, FeatureCount = count, ActiveCount = 3, AllowsNegativeCodes = true, UsesEncoderBias = false }, parameters),
    });
}
