using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>SAELens's training forward pass.</summary>
internal static class GoldenSaeLens
{
    private static readonly (string Theirs, string Ours)[] terms =
    [
        ("losses.mse_loss", "reconstruction"), ("losses.l1_loss", "l1"), ("losses.l0_loss", "l0"),
        ("losses.pre_act_loss", "preactivation"),
    ];

    internal static void Check(GoldenCase golden)
    {
        foreach (var prefix in golden.Groups('.'))
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            var x = golden.Tensor(Name("x"));
            using var autoencoder = Make(golden, prefix, x.size(1), golden.Tensor(Name("param.W_dec")).size(0));
            Parameters.Fill(autoencoder, golden, Name("param."));
            var pass = autoencoder.Run(x);
            var loss = autoencoder.Loss(pass, golden.Tensor(Name("dead")).to(ScalarType.Bool));
            loss.Total.backward();

            Parameters.Check(golden, Name("feature_acts"), pass.Codes);
            Parameters.Check(golden, Name("hidden_pre"), autoencoder is GatedAutoencoder ? Magnitudes(golden, prefix) : pass.PreActivations);
            Parameters.Check(golden, Name("sae_out"), pass.Output);
            foreach (var (theirs, ours) in terms.Append(("losses.auxiliary_reconstruction_loss", autoencoder is GatedAutoencoder ? "gate" : "aux")).Concat(Inner(golden, prefix).Select(width => ($"losses.inner_mse_loss_{width}", $"inner_{width}"))))
            {
                if (golden.Has(Name(theirs)))
                    Parameters.Check(golden, Name(theirs), loss.Terms[ours]);
            }
            Parameters.Check(golden, Name("loss"), loss.Total);
            Parameters.CheckGradients(autoencoder, golden, Name("grad."));
            if (autoencoder is BatchTopKAutoencoder batch)
                CheckThreshold(golden, prefix, batch, x, pass.Codes);
            CheckFolding(golden, prefix, autoencoder);
        }
    }

    // A gated autoencoder's pre-activations are there those of the magnitudes.
    private static Tensor Magnitudes(GoldenCase golden, string prefix)
    {
        Tensor Parameter(string name) => golden.Tensor($"{prefix}.param.{name}");
        return (golden.Tensor($"{prefix}.x") - Parameter("b_dec")).mm(Parameter("W_enc")) * Parameter("r_mag").exp() + Parameter("b_mag");
    }

    // The nested widths of a Matryoshka autoencoder, from the names of its inner losses.
    private static long[] Inner(GoldenCase golden, string prefix) =>
        [.. golden.Names($"{prefix}.losses.inner_mse_loss_").Select(name => long.Parse(name.AsSpan($"{prefix}.losses.inner_mse_loss_".Length), CultureInfo.InvariantCulture)).Order()];

    private static void CheckThreshold(GoldenCase golden, string prefix, BatchTopKAutoencoder batch, Tensor x, Tensor codes)
    {
        batch.UpdateThreshold(codes);
        if (golden.Has($"{prefix}.topk_threshold_after"))
            golden.Check($"{prefix}.topk_threshold_after", batch.Threshold, Parameters.Absolute);
        if (!golden.Has($"{prefix}.inference.threshold"))
            return;
        using var jump = batch.ToJumpRelu();
        Parameters.Check(golden, $"{prefix}.inference.threshold", jump.Thresholds());
        Parameters.Check(golden, $"{prefix}.inference.W_enc", jump.get_parameter("W_enc")!);
        Parameters.Check(golden, $"{prefix}.inference.W_dec", jump.get_parameter("W_dec")!);
        Parameters.Check(golden, $"{prefix}.inference.b_enc", jump.get_parameter("b_enc")!);
        Parameters.Check(golden, $"{prefix}.inference.b_dec", jump.get_parameter("b_dec")!);
        Parameters.Check(golden, $"{prefix}.inference_acts", jump.Encode(x));
        Parameters.Check(golden, $"{prefix}.inference_out", jump.Reconstruct(x));
    }

    private static void CheckFolding(GoldenCase golden, string prefix, SparseAutoencoder autoencoder)
    {
        if (!golden.Has($"{prefix}.folded.W_dec"))
            return;
        if (autoencoder is TopKAutoencoder { CodesAreNormScaled: false })
        {
            Assert.Throws<InvalidOperationException>(autoencoder.FoldDecoderNorms);
            return;
        }
        autoencoder.FoldDecoderNorms();
        foreach (var (name, parameter) in autoencoder.named_parameters())
            Parameters.Check(golden, $"{prefix}.folded.{name}", parameter);
    }

    // Where a file states nothing of a prefix, the coefficients of the data's README.
    private static SparseAutoencoder Make(GoldenCase golden, string prefix, long width, long count)
    {
        double Setting(string key, double published) => Parameters.Setting(golden, prefix, key, published);
        long Active(long published) => (long)Setting("k", published);
        T With<T>(T options)
            where T : SparseAutoencoderOptions
        {
            (options.ModelDim, options.FeatureCount) = (width, count);
            options.Auxiliary = AuxiliaryKind.SaeLens;
            return options;
        }
        return Parameters.Make<SparseAutoencoder>(parameters => prefix switch
        {
            "standard" => new VanillaAutoencoder(With(new VanillaOptions { SparsityCoefficient = Setting("l1_coefficient", 0.3), PenaltyUsesDecoderNorm = true }), parameters),
            "topk_rescale" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = Active(3), RescalesByDecoderNorm = true, AuxiliaryCoefficient = Setting("aux_loss_coefficient", 0.5) }), parameters),
            "topk_ln_norescale" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = Active(3), AuxiliaryCoefficient = Setting("aux_loss_coefficient", 1), InputNormalization = InputNormalization.PerRowStandardize }), parameters),
            "topk_cnr_nobdec" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = Active(3), AuxiliaryCoefficient = Setting("aux_loss_coefficient", 1), RescalesByDecoderNorm = true, InputNormalization = InputNormalization.ConstantNorm, SubtractsDecoderBias = false }), parameters),
            "batchtopk" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = Setting("k", 2.5), RescalesByDecoderNorm = true, AuxiliaryCoefficient = Setting("aux_loss_coefficient", 1) }), parameters),
            "matryoshka" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = Setting("k", 2), RescalesByDecoderNorm = true, AuxiliaryCoefficient = Setting("aux_loss_coefficient", 1), NestedWidths = Inner(golden, prefix) }), parameters),
            "jumprelu_step" => new JumpReluAutoencoder(With(new JumpReluOptions { Bandwidth = Setting("jumprelu_bandwidth", 0.3), SparsityCoefficient = Setting("l0_coefficient", 0.7) }), parameters),
            "jumprelu_tanh" => new JumpReluAutoencoder(
                With(new JumpReluOptions { Bandwidth = Setting("jumprelu_bandwidth", 2), SparsityCoefficient = Setting("l0_coefficient", 0.4), Penalty = JumpReluPenalty.Tanh, TanhScale = Setting("jumprelu_tanh_scale", 4), PreActivationCoefficient = Setting("pre_act_loss_coefficient", 0.01) }),
                parameters),
            "gated" => new GatedAutoencoder(With(new GatedOptions { Kind = GatedKind.SaeLens, SparsityCoefficient = Setting("l1_coefficient", 0.2) }), parameters),
            _ => throw new ArgumentException($"{golden.Path} names the autoencoder '{prefix}'; those computed are standard, topk_rescale, topk_ln_norescale, topk_cnr_nobdec, batchtopk, matryoshka, jumprelu_step, jumprelu_tanh and gated."),
        });
    }
}
