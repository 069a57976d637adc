using LmKit.Conformance;
using TorchSharp;
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
        ["monarch_mlp"] = Mlp,
        ["multiply"] = Multiply,
        ["peers"] = Peers,
    };

    protected override IReadOnlyDictionary<string, string> Missing { get; } = new Dictionary<string, string>
    {
        ["blockdiag_linear"] = "a block-diagonal linear with channel shuffle is not in Structured",
        ["densify_bert"] = "turning a state dict's block-diagonal weights into dense ones is not in Structured",
        ["einsum_layouts"] = "the alternative parameter layouts of the factors are not in Structured",
        ["fft"] = "transforms as Monarch products (permutation, sizes, factors) are not in Structured",
        ["mmstar"] = "recovering the factors of M M* products is not in Structured",
        ["project"] = "projecting a dense matrix onto Monarch matrices is not in Structured",
        ["project_calibrated"] = "projection under a second moment of the inputs is not in Structured",
        ["project_general"] = "projection for general block shapes is not in Structured",
        ["transforms"] = "closed forms of the DFT, Hadamard, cosine, circulant, Toeplitz and butterfly matrices are not in Structured",
    };

    protected override IReadOnlyDictionary<string, string> MissingParts { get; } = new Dictionary<string, string>
    {
        ["peers: btt/*"] = "block tensor-train (BTT) matrices are not in Structured",
        ["peers: blast/*"] = "BLAST matrices are not in Structured",
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
            Fill(linear, Read);

            var y = linear.call(x);
            y.backward([Read("dout")]);

            Check(golden, $"{group}/out", y);
            Check(golden, $"{group}/dense_weight", linear.ToDense());
            Check(golden, $"{group}/dx", x.grad!, isGradient: true);
            foreach (var (name, parameter) in parameters)
                Check(golden, $"{group}/d{name}", parameter.grad!, isGradient: true);
        }
    }

    private static void Fill(MonarchLinear linear, Func<string, Tensor> read)
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in linear.named_parameters())
        {
            Assert.Equal(read(name).shape, parameter.shape);
            parameter.copy_(read(name));
        }
    }

    // Two layers with an exact GELU between them.
    private static void Mlp(GoldenCase golden)
    {
        var x = golden.Tensor("x").requires_grad_();
        using var first = Layer("fc1", x.size(-1), golden.Tensor("fc1.bias").size(0));
        using var second = Layer("fc2", golden.Tensor("fc1.bias").size(0), golden.Tensor("out").size(-1));

        var y = second.call(nn.functional.gelu(first.call(x)));
        y.backward([golden.Tensor("dout")]);

        Check(golden, "out", y);
        Check(golden, "dx", x.grad!, isGradient: true);
        foreach (var (prefix, layer) in new[] { ("fc1", first), ("fc2", second) })
        {
            foreach (var (name, parameter) in layer.named_parameters())
                Check(golden, $"d.{prefix}.{name}", parameter.grad!, isGradient: true);
        }

        MonarchLinear Layer(string prefix, long inFeatures, long outFeatures)
        {
            Tensor Read(string name) => golden.Tensor($"{prefix}.{name}");
            var linear = new MonarchLinear(new MonarchOptions { BlockCount = (int)Read("blkdiag1").size(0) }, Sites.Make(inFeatures, outFeatures, golden.Has($"{prefix}.bias"), x.dtype));
            Fill(linear, Read);
            return linear;
        }
    }

    // MoRe: a frozen dense matrix and a Monarch product beside it.
    private static void Peers(GoldenCase golden)
    {
        Tensor Read(string name) => golden.Tensor($"more/{name}");
        var (x, dense, first, second) = (Read("x"), Read("dense"), Read("blkdiag1"), Read("blkdiag2"));
        Check(golden, "more/out", nn.functional.linear(x, dense) + MonarchMultiply.Apply(x, first, second));
        Check(golden, "more/merged", dense + MonarchMultiply.ToDense(first, second));
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
