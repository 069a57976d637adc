using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Checks of activations before they are encoded.</summary>
internal static class AutoencoderInput
{
    internal static void Check(Tensor activations, long width, string component)
    {
        Shapes.CheckWidth(activations, width, component);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var finite = activations.isfinite();
        if (finite.all().item<bool>())
            return;
        var row = Flat(finite).all(1).logical_not().nonzero()[0, 0].item<long>();
        throw new ArgumentException($"{component}: activations of row {row} are not finite; drop that row or find out where it comes from.", nameof(activations));
    }

    /// <summary>All leading axes joined: (rows, width).</summary>
    internal static Tensor Flat(Tensor x)
    {
        var width = x.size(-1);
        return x.reshape(width > 0 ? x.numel() / width : 0, width);
    }
}

/// <summary>Rows after their own normalisation, with what undoes it: y * Scale + Shift.</summary>
internal sealed record RowScaling(Tensor Values, Tensor? Scale, Tensor? Shift)
{
    // The authors' code and SAELens agree on it.
    private const double Epsilon = 1e-5;

    internal static RowScaling Of(Tensor x, InputNormalization kind) => kind switch
    {
        InputNormalization.None => new(x, null, null),
        InputNormalization.ConstantNorm => ConstantNorm(x),
        _ => Standardize(x),
    };

    /// <summary>Changes of codes (B, F) in raw units, with the factors of the clean rows (B, D): times the atoms they change activations.</summary>
    internal static Tensor InRawUnits(Tensor change, IDictionary dictionary, Tensor clean) =>
        dictionary is SparseAutoencoder autoencoder && Of(clean, autoencoder.Options.InputNormalization).Scale is { } scale ? change * scale : change;

    internal Tensor Undo(Tensor y)
    {
        if (Scale is not null)
            y = y * Scale;
        return Shift is null ? y : y + Shift;
    }

    private static RowScaling ConstantNorm(Tensor x)
    {
        var wide = HalfPrecision.Widen(x);
        var norms = wide.norm(-1, keepdim: true) / Math.Sqrt(x.size(-1));
        norms = where(norms.eq(0), ones_like(norms), norms);
        return new((wide / norms).to(x.dtype), norms.to(x.dtype), null);
    }

    private static RowScaling Standardize(Tensor x)
    {
        var wide = HalfPrecision.Widen(x); // squares of 256 and more do not fit float16
        var mean = wide.mean([-1L], keepdim: true);
        var centred = wide - mean;
        var width = x.size(-1);
        var deviation = width > 1 ? (centred.square().sum(-1, keepdim: true) / (width - 1)).sqrt() : zeros_like(mean);
        return new((centred / (deviation + Epsilon)).to(x.dtype), deviation.to(x.dtype), mean.to(x.dtype));
    }
}

/// <summary>What a dictionary does to each row of activations before it encodes it.</summary>
/// <remarks>Scalar and mean normalisations are not here: <see cref="ActivationScale"/> is folded into the weights.</remarks>
public enum InputNormalization
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Subtract the row's mean, divide by its standard deviation (of d - 1) plus 1e-5; undone without the 1e-5.</summary>
    PerRowStandardize,

    /// <summary>Scale the row to norm sqrt(d); a zero row stays as it is.</summary>
    ConstantNorm,
}
