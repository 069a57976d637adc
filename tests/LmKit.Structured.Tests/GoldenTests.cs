using LmKit.Conformance;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

[GoldenArea("structured")]
public class GoldenTests(ITestOutputHelper output) : GoldenSuite(output)
{
    // Results relative to max(1, largest expected); gradients sum over rows and are allowed ten times as much.
    private const double DoubleTolerance = 1e-11;
    private const double DoubleGradientTolerance = 1e-10;
    private const double SingleTolerance = 1e-5;

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = new Dictionary<string, Action<GoldenCase>>
    {
        ["monarch_linear"] = Linear,
        ["multiply"] = Multiply,
    };

    private static void Linear(GoldenCase golden)
    {
        foreach (var group in golden.Groups('/'))
        {
            Tensor Read(string name) => golden.Tensor($"{group}/{name}");
            var hasBias = golden.Has($"{group}/bias");
            var (x, dense) = (Read("x").requires_grad_(), Read("dense_weight"));
            var site = Sites.Make(dense.size(1), dense.size(0), hasBias, x.dtype);
            using var linear = new MonarchLinear(new MonarchOptions { BlockCount = (int)Read("blkdiag1").size(0) }, site);
            var parameters = linear.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
            Assert.Equal(hasBias, parameters.ContainsKey("bias"));
            using (no_grad())
            {
                foreach (var (name, parameter) in parameters)
                {
                    Assert.Equal(Read(name).shape, parameter.shape);
                    parameter.copy_(Read(name));
                }
            }

            var y = linear.call(x);
            y.backward([Read("dout")]);

            Check(golden, $"{group}/out", y);
            Check(golden, $"{group}/dense_weight", linear.ToDense());
            Check(golden, $"{group}/dx", x.grad!, isGradient: true);
            foreach (var (name, parameter) in parameters)
                Check(golden, $"{group}/d{name}", parameter.grad!, isGradient: true);
        }
    }

    private static void Multiply(GoldenCase golden)
    {
        foreach (var group in golden.Groups('/'))
        {
            Tensor Read(string name) => Named(golden, $"{group}/{name}");
            var (x, first, second) = (Read("x").requires_grad_(), Read("w1").requires_grad_(), Read("w2").requires_grad_());

            var y = MonarchMultiply.Apply(x, first, second);
            y.backward([Read("dout")]);

            Check(golden, $"{group}/out", y);
            Check(golden, $"{group}/dense", MonarchMultiply.ToDense(first, second));
            Check(golden, $"{group}/dx", x.grad!, isGradient: true);
            Check(golden, $"{group}/dw1", first.grad!, isGradient: true);
            Check(golden, $"{group}/dw2", second.grad!, isGradient: true);
        }
    }

    private static Tensor Named(GoldenCase golden, string name) => golden.Has(name) ? golden.Tensor(name) : golden.Complex(name);

    private static void Check(GoldenCase golden, string name, Tensor actual, bool isGradient = false)
    {
        var expected = Named(golden, name);
        var tolerance = expected.dtype == ScalarType.Float32 ? SingleTolerance : isGradient ? DoubleGradientTolerance : DoubleTolerance;
        Close.Check(name, expected, actual, absolute: tolerance, relativeToLargest: tolerance);
    }
}
