using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
