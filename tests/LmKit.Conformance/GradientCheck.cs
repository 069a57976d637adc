using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>Compares gradients with central differences, in float64.</summary>
public static class GradientCheck
{
    private const double Step = 1e-5;

    // Central differences of a smooth function in float64 err by about Step^2 + 1e-16 / Step, times its scale.
    private const double Tolerance = 1e-6;
    private const int EntriesPerTensor = 12;

    /// <summary>Checks the gradient of a random weighting of a function's output.</summary>
    /// <param name="function">Gives the output; reads the variables anew at each call.</param>
    /// <param name="variables">Float64 leaf tensors by name; their values are moved and put back.</param>
    /// <remarks>Of each variable some entries and one random direction through all of its entries are checked.</remarks>
    public static void Check(Func<Tensor> function, IReadOnlyList<(string Name, Tensor Value)> variables)
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(variables);
        using var scope = NewDisposeScope();
        using var random = new Generator(17);
        var leaves = variables.Where(variable => variable.Value.numel() > 0).ToList();
        foreach (var (name, value) in leaves)
            Assert.True(value.dtype == ScalarType.Float64 && value.requires_grad, $"{name} must be float64 and require a gradient.");
        var output = function();
        var weights = randn(output.shape, ScalarType.Float64, generator: random);
        var gradients = autograd.grad([(output * weights).sum()], [.. leaves.Select(leaf => leaf.Value)], allow_unused: true);
        using var frozen = no_grad();
        for (var index = 0; index < leaves.Count; index++)
        {
            var (name, value) = leaves[index];
            var gradient = gradients[index] is { IsInvalid: false } given ? given : zeros_like(value);
            Assert.True(gradient.shape.SequenceEqual(value.shape), $"The gradient of {name} has another shape.");
            foreach (var (place, direction) in Directions(value, random))
            {
                var slope = (gradient * direction).sum().item<double>();
                var difference = (Loss(value, direction, Step) - Loss(value, direction, -Step)) / (2 * Step);
                Assert.True(
                    Math.Abs(slope - difference) <= Tolerance * Math.Max(1, Math.Abs(difference)),
                    $"Gradient of {name} along {place}: {slope:R}, central differences say {difference:R}.");
            }
        }

        double Loss(Tensor value, Tensor direction, double step)
        {
            using var inner = NewDisposeScope();
            var kept = value.clone();
            value.add_(direction, step);
            var loss = (function() * weights).sum().item<double>();
            value.copy_(kept);
            return loss;
        }
    }

    private static IEnumerable<(string Place, Tensor Direction)> Directions(Tensor value, Generator random)
    {
        var count = (int)value.numel();
        var entries = count <= EntriesPerTensor
            ? Enumerable.Range(0, count)
            : Enumerable.Range(0, EntriesPerTensor).Select(step => (int)((step * 2_654_435_761L + 7) % count)).Distinct();
        foreach (var entry in entries)
        {
            var one = zeros(count, dtype: ScalarType.Float64);
            one[entry] = 1.0;
            yield return ($"entry {entry}", one.view(value.shape));
        }
        var all = randn(value.shape, ScalarType.Float64, generator: random);
        yield return ("a random direction", all / Math.Max(all.norm().item<double>(), 1e-12));
    }
}
