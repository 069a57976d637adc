using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>SAELens's training forward pass.</summary>
internal static class GoldenSaeLens
{
    private static readonly (string Theirs, string Ours)[] _terms =
    [
        ("losses.mse_loss", "reconstruction"), ("losses.l1_loss", "l1"), ("losses.l0_loss", "l0"),
        ("losses.pre_act_loss", "preactivation"), ("losses.inner_mse_loss_6", "inner_6"), ("losses.inner_mse_loss_12", "inner_12"),
    ];

    internal static void Check(GoldenCase golden)
    {
        foreach (var prefix in golden.Groups('.'))
        {
            using var scope = NewDisposeScope();
            string Name(string name) => $"{prefix}.{name}";
            var x = golden.Tensor(Name("x"));
            using var autoencoder = Make(prefix, x.size(1), golden.Tensor(Name("param.W_dec")).size(0));
            Parameters.Fill(autoencoder, golden, Name("param."));
            var pass = autoencoder.Run(x);
            var loss = autoencoder.Loss(pass, golden.Tensor(Name("dead")).to(ScalarType.Bool));
            loss.Total.backward();

            Parameters.Check(golden, Name("feature_acts"), pass.Codes);
            if (autoencoder is not GatedAutoencoder) // theirs are the magnitudes' pre-activations
                Parameters.Check(golden, Name("hidden_pre"), pass.PreActivations);
            Parameters.Check(golden, Name("sae_out"), pass.Output);
            foreach (var (theirs, ours) in _terms.Append(("losses.auxiliary_reconstruction_loss", prefix == "gated" ? "gate" : "aux")))
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

    private static void CheckThreshold(GoldenCase golden, string prefix, BatchTopKAutoencoder batch, Tensor x, Tensor codes)
    {
        batch.UpdateThreshold(codes);
        Assert.Equal(golden.Number($"{prefix}.topk_threshold_after"), batch.Threshold, Parameters.Absolute);
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

    private static SparseAutoencoder Make(string prefix, long width, long count)
    {
        T With<T>(T options)
            where T : SparseAutoencoderOptions
        {
            (options.ModelDim, options.FeatureCount) = (width, count);
            options.Auxiliary = AuxiliaryKind.SaeLens;
            return options;
        }
        return Parameters.Make<SparseAutoencoder>(parameters => prefix switch
        {
            "standard" => new VanillaAutoencoder(With(new VanillaOptions { SparsityCoefficient = 0.3, PenaltyUsesDecoderNorm = true }), parameters),
            "topk_rescale" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = 3, RescalesByDecoderNorm = true, AuxiliaryCoefficient = 0.5 }), parameters),
            "topk_ln_norescale" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = 3, AuxiliaryCoefficient = 1, InputNormalization = InputNormalization.PerRowStandardize }), parameters),
            "topk_cnr_nobdec" => new TopKAutoencoder(With(new TopKOptions { ActiveCount = 3, AuxiliaryCoefficient = 1, RescalesByDecoderNorm = true, InputNormalization = InputNormalization.ConstantNorm, SubtractsDecoderBias = false }), parameters),
            "batchtopk" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = 2.5, RescalesByDecoderNorm = true, AuxiliaryCoefficient = 1 }), parameters),
            "matryoshka" => new BatchTopKAutoencoder(With(new BatchTopKOptions { ActiveCount = 2, RescalesByDecoderNorm = true, AuxiliaryCoefficient = 1, NestedWidths = [6, 12] }), parameters),
            "jumprelu_step" => new JumpReluAutoencoder(With(new JumpReluOptions { Bandwidth = 0.3, SparsityCoefficient = 0.7 }), parameters),
            "jumprelu_tanh" => new JumpReluAutoencoder(With(new JumpReluOptions { Bandwidth = 2, SparsityCoefficient = 0.4, Penalty = JumpReluPenalty.Tanh, PreActivationCoefficient = 0.01 }), parameters),
            "gated" => new GatedAutoencoder(With(new GatedOptions { Kind = GatedKind.SaeLens, SparsityCoefficient = 0.2 }), parameters),
            _ => throw new ArgumentException($"Unknown prefix '{prefix}'."),
        });
    }
}
