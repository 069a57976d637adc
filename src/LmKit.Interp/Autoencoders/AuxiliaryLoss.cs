using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The loss that lets dead features explain what the others leave, in its three published forms.</summary>
public static class AuxiliaryLoss
{
    /// <summary>dictionary_learning's form: the squared error of a reconstruction of the residual over the residual's spread.</summary>
    /// <param name="residual">What is left to explain (B, D), detached.</param>
    /// <param name="explained">The dead features' reconstruction of it (B, D), without bias.</param>
    /// <returns>A scalar; 0 where the residual has no spread. The caller disposes it.</returns>
    public static Tensor Normalized(Tensor residual, Tensor explained)
    {
        var check = new TensorCheck(nameof(AuxiliaryLoss));
        check.Floating(residual, nameof(residual), "B D");
        check.Floating(explained, nameof(explained), "B D");
        using var scope = NewDisposeScope();
        var spread = SquaredError.RowMean(residual - residual.mean([0L], keepdim: true));
        return (SquaredError.RowMean(residual - explained) / spread).nan_to_num(0, 0, 0).MoveToOuterDisposeScope();
    }

    internal static Tensor Of(SparseAutoencoder autoencoder, AutoencoderPass pass, Tensor? dead)
    {
        var options = autoencoder.Options;
        var deadCount = dead?.sum().item<long>() ?? 0;
        if (deadCount == 0)
            return zeros([], HalfPrecision.Wide(pass.Reconstruction.dtype), pass.Reconstruction.device);
        var wanted = options.AuxiliaryCount > 0 ? options.AuxiliaryCount : Math.Max(1, autoencoder.ModelDim / 2);
        var count = Math.Min(wanted, deadCount);
        var values = options.Auxiliary == AuxiliaryKind.SaeLens ? pass.PreActivations : pass.Features.Dense;
        var chosen = FeatureSelection.Largest(values.masked_fill(dead!.logical_not(), double.NegativeInfinity), count).logical_and(dead);
        var codes = values * chosen;
        if (options.Auxiliary == AuxiliaryKind.SaeLens)
        {
            var rebuilt = pass.Rows.Undo(autoencoder.DecodeRows(codes, autoencoder.FeatureCount));
            return SquaredError.RowMean(rebuilt - (pass.Input - pass.Output).detach()) * Math.Min((double)deadCount / wanted, 1);
        }
        var explained = autoencoder.CodesAreNormScaled ? (codes / autoencoder.DecoderNorms()).mm(autoencoder.DecoderWeight) : codes.mm(autoencoder.DecoderWeight);
        var residual = pass.Normalized - pass.Reconstruction;
        return options.Auxiliary == AuxiliaryKind.Residual
            ? HalfPrecision.Widen(explained - residual).square().mean()
            : Normalized(residual.detach(), explained);
    }
}

/// <summary>How dead features are taught to explain what the others leave.</summary>
public enum AuxiliaryKind
{
    /// <summary>dictionary_learning: a normalised squared error of the detached residual, no bias.</summary>
    Normalized,

    /// <summary>Lee et al. 2025: a plain mean squared error; the residual carries gradients too.</summary>
    Residual,

    /// <summary>SAELens: the dead features' pre-activations, negative ones too, are decoded with the bias.</summary>
    SaeLens,
}
