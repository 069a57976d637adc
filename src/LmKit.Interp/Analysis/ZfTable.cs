using System.Globalization;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The ZF diagnostic: input norms against code norms, with the error bounds they imply (Lee et al. 2025).</summary>
public sealed class ZfTable
{
    private readonly List<ZfRow> rows = [];

    /// <summary>Its rows.</summary>
    public IReadOnlyList<ZfRow> Rows => rows;

    /// <summary>Adds inputs (B, D) of a layer as a dictionary codes them.</summary>
    public void Add(int layer, IDictionary dictionary, ActivationBatch batch)
    {
        ArgumentNullException.ThrowIfNull(dictionary);
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var codes = dictionary.Encode(batch);
        var output = dictionary is SparseAutoencoder autoencoder ? autoencoder.Reconstruct(batch.Values) : dictionary.Decode(codes);
        Add(layer, batch.Values, codes, dictionary.Atoms, dictionary.Bias, output);
    }

    /// <summary>Adds rows of codes and reconstructions that are at hand.</summary>
    public void Add(int layer, Tensor input, Tensor codes, Tensor atoms, Tensor bias, Tensor output)
    {
        var check = new TensorCheck(nameof(ZfTable));
        check.Floating(input, nameof(input), "B D");
        check.Floating(codes, nameof(codes), "B F");
        check.Floating(atoms, nameof(atoms), "F D");
        check.Floating(bias, nameof(bias), "D");
        check.Floating(output, nameof(output), "B D");
        if (input.size(0) == 0)
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        (input, output) = (input.to(ScalarType.Float64), output.to(ScalarType.Float64));
        var unit = UnitCodes(codes.to(ScalarType.Float64), atoms.to(ScalarType.Float64), bias.to(ScalarType.Float64));
        var norms = input.norm(1);
        var error = (input - output).square().sum(1);
        // h, not h + 1, although the bias counts as a feature: as in the authors' code.
        var bound = ActivationNorm.LowerBound(input, unit, codes.size(1));
        var columns = stack([norms, unit.norm(1), output.norm(1), error, bound, error / norms.square().masked_fill(norms.eq(0), double.NaN)], 1).to(ScalarType.Float64).cpu().contiguous();
        var values = columns.data<double>().ToArray();
        for (var at = 0; at < values.Length; at += 6)
            rows.Add(new(layer, values[at], values[at + 1], values[at + 2], values[at + 3], values[at + 4], values[at + 5]));
    }

    /// <summary>Codes rescaled to atoms of norm 1, with the bias's norm as a last feature (B, F + 1); the caller disposes it.</summary>
    public static Tensor UnitCodes(Tensor codes, Tensor atoms, Tensor bias)
    {
        var check = new TensorCheck(nameof(ZfTable));
        check.Floating(codes, nameof(codes), "B F");
        check.Floating(atoms, nameof(atoms), "F D");
        check.Floating(bias, nameof(bias), "D");
        using var scope = NewDisposeScope();
        var always = bias.norm().expand(codes.size(0), 1);
        return cat([codes * atoms.norm(1), always], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Medians of a layer; rows without a finite lower bound are left out of its median and counted.</summary>
    public (double Ratio, double LowerBound, double NormalizedError, double UnderShare, int SkippedCount) Medians(int layer)
    {
        var own = rows.Where(row => row.Layer == layer).ToArray();
        var bounds = own.Select(row => row.LowerBound).Where(double.IsFinite).ToArray();
        return (
            Median(own.Select(row => Shares.Of(row.CodeNorm, row.InputNorm))),
            Median(bounds),
            Median(own.Select(row => row.NormalizedError)),
            own.Length == 0 ? double.NaN : own.Count(row => row.IsUnderActivated) / (double)own.Length,
            own.Length - bounds.Length);
    }

    /// <summary>The table as CSV with a head line.</summary>
    public string ToCsv()
    {
        var text = new StringBuilder("layer,z,f,z_hat,l_recon,eps_lbo,nmse,under\n");
        foreach (var row in rows)
            text.Append(string.Create(CultureInfo.InvariantCulture, $"{row.Layer},{row.InputNorm:R},{row.CodeNorm:R},{row.OutputNorm:R},{row.SquaredError:R},{row.LowerBound:R},{row.NormalizedError:R},{(row.IsUnderActivated ? 1 : 0)}\n"));
        return text.ToString();
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Where(value => !double.IsNaN(value)).Order().ToArray();
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}

/// <summary>One input of a ZF plot.</summary>
/// <param name="Layer">The layer it was read at.</param>
/// <param name="InputNorm">|z|.</param>
/// <param name="CodeNorm">|f~|: codes rescaled to unit atoms, the bias as one more feature.</param>
/// <param name="OutputNorm">|z^|.</param>
/// <param name="SquaredError">|z - z^|^2.</param>
/// <param name="LowerBound">eps_LBO with h features; NaN or infinite for an empty code.</param>
/// <param name="NormalizedError">|z - z^|^2 / |z|^2; NaN for a zero input.</param>
public sealed record ZfRow(int Layer, double InputNorm, double CodeNorm, double OutputNorm, double SquaredError, double LowerBound, double NormalizedError)
{
    /// <summary>Whether the code is smaller than the input.</summary>
    public bool IsUnderActivated => CodeNorm < InputNorm;
}
