using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>The theory on synthetic codes whose dictionary is known: 128 nearly orthogonal directions in 64 dimensions.</summary>
[NoTensorLeak]
public class OracleTheoryTests
{
    private const long Width = 64;
    private const long Count = 128;
    private const long Samples = 4096;

    [Fact]
    public void Norms_of_codes_and_inputs_agree_and_top_AFA_counts_the_features()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var atoms = Directions(random);
        var (codes, counts) = Codes(random);
        var z = codes.mm(atoms);
        var target = z.norm(1);

        Assert.InRange((codes.norm(1) / target).mean().item<double>(), 0.99, 1.01);
        var ones = atoms.norm(1);
        var (oracle, _) = TopAfaSelection.Choose(codes, ones, target);
        Assert.True(Correlation(oracle, counts) >= 0.95);
        var (tied, _) = TopAfaSelection.Choose(z.mm(atoms.t()).relu(), ones, target);
        Assert.True(Correlation(tied, counts) >= 0.65);
    }

    [Fact]
    public void No_error_exceeds_its_bound_and_the_gap_is_exact()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        var atoms = Directions(random);
        var (codes, _) = Codes(random);
        var z = codes.mm(atoms);
        var error = ActivationNorm.Error(z, codes);
        var epsilon = DecoderCoherence.Of(atoms).LargestAbsolute;

        Assert.True(epsilon >= ActivationNorm.WelchFloor(Count, Width));
        Assert.True((error - ActivationNorm.ErrorBound(codes, epsilon, Count)).max().item<double>() <= 1e-9);
        Assert.True((error - ActivationNorm.SparseErrorBound(codes, epsilon)).max().item<double>() <= 1e-9);
        Assert.True(ActivationNorm.LowerBound(z, codes, Count).max().item<double>() <= epsilon);
        Close.Check("gap", error, ActivationNorm.ExactGap(codes, atoms).abs(), absolute: 1e-9);
        Assert.False(ActivationNorm.HasUpperBand(epsilon, Count));
    }

    [Fact]
    public void The_table_counts_rows_whose_bound_is_undefined()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        using var autoencoder = Parameters.Make(parameters => new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 9, ActiveCount = 2 }, parameters));
        var x = randn([20, 4], ScalarType.Float64, generator: random);
        x[0].zero_();
        var table = new ZfTable();
        table.Add(3, autoencoder, new ActivationBatch(x));
        var medians = table.Medians(3);

        Assert.Equal(1, medians.SkippedCount);
        Assert.True(double.IsFinite(medians.LowerBound) && double.IsFinite(medians.Ratio));
        Assert.Equal(21, table.ToCsv().Count(character => character == '\n'));
    }

    private static Tensor Directions(Generator random)
    {
        var rows = new Parameter(randn([Count, Width], ScalarType.Float64, generator: random));
        UnitRows.Normalize(rows);
        using var adam = optim.Adam([rows], 0.01);
        for (var step = 0; step < 200; step++)
        {
            using var scope = NewDisposeScope();
            adam.zero_grad();
            var products = rows.mm(rows.t());
            (products - products.diag().diag()).pow(4).sum().backward();
            adam.step();
            UnitRows.Normalize(rows);
        }
        return rows.detach().clone();
    }

    private static (Tensor Codes, Tensor Counts) Codes(Generator random)
    {
        var counts = randint(1, 9, [Samples, 1], ScalarType.Int64, generator: random);
        var places = rand([Samples, Count], ScalarType.Float64, generator: random).argsort(1).argsort(1);
        var sizes = rand([Samples, Count], ScalarType.Float64, generator: random) * 0.5 + 0.75;
        return (sizes * places.lt(counts), counts.squeeze(1));
    }

    private static double Correlation(Tensor first, Tensor second)
    {
        var (a, b) = (first.to(ScalarType.Float64), second.to(ScalarType.Float64));
        (a, b) = (a - a.mean(), b - b.mean());
        return ((a * b).sum() / (a.norm() * b.norm())).item<double>();
    }
}
