using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Gives silent features a new start at inputs that are rebuilt badly (Bricken et al. 2023).</summary>
public static class FeatureResampling
{
    // Of the mean norm of living encoder columns.
    private const double EncoderShare = 0.2;

    internal static void Apply(SparseAutoencoder autoencoder, AutoencoderOptimizer optimizer, Tensor activations, Tensor silent, Generator random)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var features = silent.nonzero().squeeze(1);
        if (features.numel() == 0)
            return;
        var weights = Probabilities(autoencoder, activations);
        if (!weights.isfinite().all().item<bool>())
            return;
        var rows = multinomial(weights.cpu(), features.numel(), replacement: true, generator: random).to(weights.device);
        Start(autoencoder, features, RowScaling.Of(activations, autoencoder.Options.InputNormalization).Values.index_select(0, rows));
        foreach (var moment in Both(optimizer, "W_dec"))
            moment.index_fill_(0, features, 0);
        foreach (var moment in Both(optimizer, "W_enc"))
            moment.index_fill_(1, features, 0);
        if (autoencoder.get_parameter("b_enc") is not null)
        {
            foreach (var moment in Both(optimizer, "b_enc"))
                moment.index_fill_(0, features, 0);
        }
    }

    /// <summary>Chances (B) that a row is drawn: in proportion to its squared loss, penalty included; NaN when every row is rebuilt
    /// exactly. The caller disposes them.</summary>
    public static Tensor Probabilities(SparseAutoencoder autoencoder, Tensor activations)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        new TensorCheck(nameof(FeatureResampling)).AnyFloating(activations, nameof(activations), "B D");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var pass = autoencoder.Run(activations);
        var loss = HalfPrecision.Widen(pass.Output - activations).square().sum(1) + HalfPrecision.Widen(pass.Codes).sum(1) * autoencoder.Options.SparsityCoefficient;
        var squares = loss.square();
        return (squares / squares.sum()).MoveToOuterDisposeScope();
    }

    /// <summary>Points features at inputs: decoder rows at norm 1, encoder columns at a fifth of the living ones' mean norm, bias 0.</summary>
    /// <param name="autoencoder">What is changed.</param>
    /// <param name="features">Indices (N) of the features.</param>
    /// <param name="inputs">One input (N, D) for each.</param>
    /// <param name="livingNorm">Mean norm of living encoder columns; null measures it.</param>
    public static void Start(SparseAutoencoder autoencoder, Tensor features, Tensor inputs, double? livingNorm = null)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        var check = new TensorCheck(nameof(FeatureResampling));
        check.Bind("D", autoencoder.ModelDim);
        check.Integers(features, nameof(features), "N");
        check.AnyFloating(inputs, nameof(inputs), "N D");
        AttributeCodes.CheckBelow(features, autoencoder.FeatureCount, nameof(features));
        if (livingNorm is { } norm0 && !double.IsFinite(norm0))
            throw new ArgumentOutOfRangeException(nameof(livingNorm), norm0, "The norm is a finite number.");
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (encoder, decoder) = (autoencoder.get_parameter("W_enc")!, autoencoder.get_parameter("W_dec")!);
        var unit = inputs / inputs.norm(1, keepdim: true).clamp_min(1e-12);
        var norm = livingNorm ?? LivingNorm(encoder, features);
        decoder.index_copy_(0, features, unit.to(decoder.dtype));
        encoder.index_copy_(1, features, (unit * (EncoderShare * norm)).t().to(encoder.dtype));
        autoencoder.get_parameter("b_enc")?.index_fill_(0, features, 0);
    }

    private static double LivingNorm(Tensor encoder, Tensor features)
    {
        var living = ones([encoder.size(1)], ScalarType.Bool, encoder.device).index_fill(0, features, 0);
        return living.any().item<bool>() ? encoder.norm(0).masked_select(living).to(ScalarType.Float64).mean().item<double>() : 1;
    }

    private static Tensor[] Both(AutoencoderOptimizer optimizer, string name)
    {
        var (first, second) = optimizer.Moments(name);
        return [first, second];
    }
}
