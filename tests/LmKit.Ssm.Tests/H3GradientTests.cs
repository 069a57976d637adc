using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>The gradients of H3: against differences, and those of our own backward passes against automatic differentiation.</summary>
[NoTensorLeak]
public class H3GradientTests
{
    private const double OfDifferences = 1e-6;
    private const double OfAutograd = 1e-10;

    // Differences of fourth order err by about Step^4 + 1e-16 / Step.
    private const double Step = 1e-3;

    [Theory]
    [InlineData(1, Discretization.Bilinear)]
    [InlineData(2, Discretization.Zoh)]
    [InlineData(4, Discretization.Bilinear)]
    public void Every_entry_of_every_parameter_has_the_gradient_that_differences_show(long headDim, Discretization discretization)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(8);
        using var mixer = ToyH3.Build(new H3Options { HeadDim = headDim, StateDim = 4, Discretization = discretization }, modelDim: 4);
        var x = randn([2, 9, 4], ScalarType.Float64, generator: random);
        var weights = randn([2, 9, 4], ScalarType.Float64, generator: random);
        var parameters = mixer.named_parameters().ToList();
        var gradients = autograd.grad([(mixer.call(x, null) * weights).sum()], [.. parameters.Select(pair => (Tensor)pair.parameter)]);
        using var frozen = no_grad();
        foreach (var ((name, parameter), gradient) in parameters.Zip(gradients))
            Close.Check(name, gradient, Differences(parameter), relativeToLargest: OfDifferences);

        Tensor Differences(Tensor parameter)
        {
            var values = parameter.view(-1);
            var slopes = new double[values.numel()];
            for (var entry = 0; entry < slopes.Length; entry++)
            {
                var one = values.narrow(0, entry, 1);
                double At(double offset)
                {
                    using var inner = NewDisposeScope();
                    one.add_(offset);
                    var loss = (mixer.call(x, null) * weights).sum().item<double>();
                    one.sub_(offset);
                    return loss;
                }
                slopes[entry] = (8 * (At(Step) - At(-Step)) - (At(2 * Step) - At(-2 * Step))) / (12 * Step);
            }
            return tensor(slopes, parameter.shape);
        }
    }

    // 40 tokens are convolved by sums, 200 by transforms with a backward of their own.
    [Theory]
    [InlineData(1, 40, 0)]
    [InlineData(1, 200, 0)]
    [InlineData(2, 200, 0)]
    [InlineData(8, 200, 0)]
    [InlineData(2, 200, 150)]
    [InlineData(2, 200, 64)]
    public void Own_backward_passes_give_the_gradients_of_automatic_differentiation(long headDim, long length, long chunk)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(9);
        using var mixer = ToyH3.Build(new H3Options { HeadDim = headDim, StateDim = 8, ChunkLength = chunk });
        var x = randn([2, length, 8], ScalarType.Float64, generator: random).requires_grad_(true);
        var weights = randn([2, length, 8], ScalarType.Float64, generator: random);
        var parameters = mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        Tensor[] leaves = [x, .. parameters.Values];
        var (own, plain) = (mixer.call(x, null), PlainH3.Apply(x, parameters, headDim));

        Close.Check("y", plain, own, absolute: OfAutograd);
        var expected = autograd.grad([(plain * weights).sum()], leaves);
        var actual = autograd.grad([(own * weights).sum()], leaves);
        foreach (var (name, (wanted, got)) in parameters.Keys.Prepend("x").Zip(expected.Zip(actual)))
            Close.Check($"gradient of {name}", wanted, got, absolute: OfAutograd);
    }
}
