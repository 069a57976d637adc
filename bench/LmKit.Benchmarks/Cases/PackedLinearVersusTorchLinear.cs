using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>All linears that one token passes in a 12-layer model of width 768 (340 MB of weights), against torch's linear on float32 weights.</summary>
/// <remarks>For bfloat16 the baseline holds the rounded weights in float32, so that both sides compute the same.</remarks>
internal static class PackedLinearVersusTorchLinear
{
    private const int Layers = 12;
    private const long Width = 768;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case(WeightFormat.Full, rows: 1, target: 1.5),
        Case(WeightFormat.BFloat16, rows: 1, target: 2.5),
        Case(WeightFormat.BFloat16, rows: 4, target: 1.0),
        Case(WeightFormat.BFloat16, rows: 8, target: 1.0),
        Case(WeightFormat.Full, rows: 16, target: 1.0),
        Case(WeightFormat.BFloat16, rows: 16, target: 1.0),
    ];

    private static RatioCase Case(WeightFormat format, int rows, double target) =>
        new($"Packed linears vs torch linears: {Layers} layers of width {Width}, {format}, rows {rows}", target, target, random => Prepare(random, format, rows));

    private static RatioSides Prepare(Generator random, WeightFormat format, int rows)
    {
        var parameters = new ParameterFactory(random);
        (long In, long Out)[] sites = [(Width, Width), (Width, Width), (Width, Width), (Width, Width), (Width, 4 * Width), (4 * Width, Width)];
        var linears = Enumerable.Range(0, Layers).SelectMany(layer => sites.Select(site =>
        {
            var linear = new PackedLinear(new PackedLinearOptions { Format = format }, new LinearSite("fc", layer, site.In, site.Out, false, 0.04, parameters));
            linear.eval();
            return (Linear: linear, Weight: linear.ToDense());
        })).ToArray();
        var inputs = new[] { randn(rows, Width, generator: random), randn(rows, 4 * Width, generator: random) };
        return new RatioSides(
            () => All((linear, x) => nn.functional.linear(x, linear.Weight)),
            () => All((linear, x) => linear.Linear.call(x)),
            [.. linears.Select(linear => linear.Linear), .. linears.Select(linear => linear.Weight), .. inputs]);

        Tensor[] All(Func<(PackedLinear Linear, Tensor Weight), Tensor, Tensor> apply)
        {
            using var frozen = no_grad();
            return [.. linears.Select(linear => apply(linear, inputs[linear.Linear.InFeatures == Width ? 0 : 1]))];
        }
    }
}
