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

/// <summary>Pre-activations of centred inputs that ask for no gradient: (x - b_dec) W_enc + b_enc.</summary>
/// <remarks>The decoder bias's gradient is the sum over rows of -dp W_enc^T, which needs the sum of dp only: a product with a vector in
/// place of one with a matrix.</remarks>
internal static class CentredEncoding
{
    /// <summary>The pre-activations (B, F).</summary>
    /// <param name="centred">x - b_dec (B, D), as values.</param>
    /// <param name="encoder">W_enc (D, F).</param>
    /// <param name="encoderBias">b_enc (F), or null.</param>
    /// <param name="decoderBias">b_dec (D), or null where it was not subtracted.</param>
    internal static Tensor Of(Tensor centred, Tensor encoder, Tensor? encoderBias, Tensor? decoderBias)
    {
        var inputs = new List<Tensor> { centred.detach(), encoder };
        var (biasAt, centreAt) = (Add(encoderBias), Add(decoderBias));
        return KernelFunction.Run(inputs, Forward, Backward);

        int Add(Tensor? tensor)
        {
            if (tensor is null)
                return -1;
            inputs.Add(tensor);
            return inputs.Count - 1;
        }

        Tensor Forward()
        {
            var product = inputs[0].mm(encoder);
            return encoderBias is null ? product : product.add_(encoderBias);
        }

        IReadOnlyList<Tensor?> Backward(Tensor gradient, IReadOnlyList<Tensor> given)
        {
            var gradients = new Tensor?[given.Count];
            gradients[1] = given[1].requires_grad ? given[0].t().mm(gradient) : null;
            var sum = biasAt > 0 || centreAt > 0 ? gradient.sum([0L]) : null;
            if (centreAt > 0 && given[centreAt].requires_grad)
                gradients[centreAt] = given[1].detach().mv(sum!).neg_();
            if (biasAt > 0 && given[biasAt].requires_grad)
                gradients[biasAt] = sum;
            return gradients;
        }
    }
}
