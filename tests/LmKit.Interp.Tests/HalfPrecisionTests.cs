using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>Losses and statistics of half precision against float64 on the same rounded numbers.</summary>
[NoTensorLeak]
public sealed class HalfPrecisionTests
{
    public static TheoryData<ScalarType> Dtypes => [ScalarType.Float16, ScalarType.BFloat16];

    [Theory]
    [MemberData(nameof(Dtypes))]
    public void Loss_terms_are_summed_in_single_precision(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        const int rows = 3000;
        foreach (var make in new Func<ParameterFactory, SparseAutoencoder>[]
        {
            parameters => new VanillaAutoencoder(Sized(new VanillaOptions { SparsityCoefficient = 1, AfaCoefficient = 1 }), parameters),
            parameters => new TopKAutoencoder(Sized(new TopKOptions { ActiveCount = 3, AfaCoefficient = 1 }), parameters),
            parameters => new GatedAutoencoder(Sized(new GatedOptions { SparsityCoefficient = 1 }), parameters),
            parameters => new JumpReluAutoencoder(Sized(new JumpReluOptions { SparsityCoefficient = 1 }), parameters),
        })
        {
            using var half = make(new ParameterFactory(random, dtype));
            using var pass = half.Run((randn([rows, 8], generator: random) * 40).to(dtype));
            using var loss = half.Loss(pass);
            Assert.Equal(ScalarType.Float32, loss.Total.dtype);
            Assert.True(double.IsFinite(loss.Total.to(ScalarType.Float64).item<double>()), half.GetName());
            var error = (pass.Output - pass.Input).to(ScalarType.Float64).square().sum(1).mean();
            Close.Check($"{half.GetName()} reconstruction", error, loss.Terms["reconstruction"], relative: 1e-4);
            if (loss.Terms.TryGetValue("afa", out var afa))
            {
                var norms = pass.Codes.to(ScalarType.Float64).norm(1) - pass.Normalized.to(ScalarType.Float64).norm(1);
                Close.Check($"{half.GetName()} afa", norms.square().mean(), afa, relative: 1e-3);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Dtypes))]
    public void Rows_are_normalised_and_statistics_taken_in_single_precision(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var tolerance = dtype == ScalarType.Float16 ? 1.5e-3 : 1e-2;
        var x = (randn([20, 64], generator: random) * 1000 + 500).to(dtype); // squares do not fit float16
        var exact = x.to(ScalarType.Float64);
        foreach (var kind in new[] { InputNormalization.PerRowStandardize, InputNormalization.ConstantNorm })
        {
            using var made = new VanillaAutoencoder(new VanillaOptions { ModelDim = 64, FeatureCount = 4, InputNormalization = kind }, new ParameterFactory(random, dtype));
            using var pass = made.Run(x);
            var expected = kind == InputNormalization.ConstantNorm
                ? exact / exact.norm(-1, keepdim: true) * 8
                : (exact - exact.mean([-1L], keepdim: true)) / (exact.std(-1, unbiased: true, keepdim: true) + 1e-5);
            Close.Check($"{kind}", expected, pass.Normalized, absolute: 3 * tolerance);
        }
        var codes = (rand([20, 32], generator: random) * 500).to(dtype);
        var atoms = randn([32, 64], generator: random).to(dtype);
        Close.Check("gap", ActivationNorm.ExactGap(codes.to(ScalarType.Float64), atoms.to(ScalarType.Float64)), ActivationNorm.ExactGap(codes, atoms), relativeToLargest: 1e-4);
        Close.Check("bound", ActivationNorm.LowerBound(exact, codes.to(ScalarType.Float64), 32), ActivationNorm.LowerBound(x, codes, 32), relativeToLargest: 1e-4);
        Close.Check("median", GeometricMedian.Of(exact), GeometricMedian.Of(x), relativeToLargest: tolerance);
        using (var scale = ActivationScale.MeanAndScale(x))
            Close.Check("mean", exact.mean([0L]), scale.Mean!, relativeToLargest: tolerance);

        var attributes = zeros([3000, 1], ScalarType.Int64);
        var many = (randn([3000, 2], generator: random) + 3).to(dtype);
        using var supervised = SupervisedDictionary.Fit(many, attributes, [new AttributeBlock("a", [0], [2])], SupervisedMethod.Mean);
        Close.Check("supervised mean", many.to(ScalarType.Float64).mean([0L]), supervised.Bias, relativeToLargest: tolerance);
    }

    private static T Sized<T>(T options)
        where T : SparseAutoencoderOptions
    {
        (options.ModelDim, options.FeatureCount) = (8, 16);
        return options;
    }
}
