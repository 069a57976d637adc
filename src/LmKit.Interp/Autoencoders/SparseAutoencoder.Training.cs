using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

// What a training step runs where codes are a choice among rectified features: the same pass, with products over the kept features only.
public abstract partial class SparseAutoencoder
{
    // Gathering costs more than the full product where more than one feature in this many is kept.
    private const long FeaturesPerKept = 24;

    /// <summary>The pass of a training step. Where few features are kept its codes are lists, and only what the losses read has a graph.</summary>
    internal AutoencoderPass RunToTrain(Tensor activations)
    {
        if (KernelSelection.Current != KernelChoice.Cpu || !ChoosesForTraining || decoder.dtype != ScalarType.Float32
            || activations.device_type != DeviceType.CPU || decoder.device_type != DeviceType.CPU || activations.requires_grad)
        {
            return Run(activations);
        }
        CheckInput(activations);
        new TensorCheck(GetName()).Floating(activations, nameof(activations), "B D");
        var rows = RowScaling.Of(activations, Options.InputNormalization);
        var centred = Centre(rows);
        var bias = Options.UsesEncoderBias ? encoderBias : null;
        var pre = CentredEncoding.Of(centred, encoder, bias, Options.SubtractsDecoderBias ? decoderBias : null);
        var dense = Rectifies ? pre.relu() : pre;
        var mask = Choose(dense.detach(), centred, rows.Values);
        FeatureActivations features;
        Tensor reconstruction;
        if (LosesNothingAsList && FiniteNumbers.All(dense) && KeptFeatures.Of(mask, dense.numel() / FeaturesPerKept) is { } kept)
        {
            var values = new KeptEncoding(kept, Rectifies, Options.SubtractsDecoderBias).Run(dense.detach(), centred, encoder, bias, decoderBias);
            using (no_grad())
                features = new(pre.detach(), dense.detach(), dense.detach() * mask) { Kept = new(kept, values) };
            reconstruction = KeptDecoding.Run(values, decoder, kept) + decoderBias;
        }
        else
        {
            features = new(pre, dense, dense * mask);
            reconstruction = DecodeRows(features.Codes, FeatureCount);
        }
        return new AutoencoderPass(activations, rows, centred, features, reconstruction, rows.Undo(reconstruction));
    }

    /// <summary>Whether codes are the rectified pre-activations that <see cref="Choose"/> keeps.</summary>
    private protected virtual bool ChoosesForTraining => false;

    /// <summary>Whether pre-activations are rectified.</summary>
    private protected virtual bool Rectifies => true;

    /// <summary>Whether no term of the loss reads features that were not kept.</summary>
    private protected virtual bool LosesNothingAsList => Options.AuxiliaryCoefficient == 0 && !(Options.SparsityCoefficient > 0 && Options.PenaltyUsesDecoderNorm);

    /// <summary>Which features (B, F, bool) rows keep.</summary>
    private protected virtual Tensor Choose(Tensor dense, Tensor centred, Tensor normalized) => throw new NotSupportedException();
}
