using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Activations made of known sparse features, x = f D, with unit directions that are as orthogonal as can be.</summary>
/// <remarks>Directions are Gaussian rows scaled to norm 1, pushed apart by Adam on the sum of (u_i . u_j)^4 over pairs.</remarks>
public sealed class SyntheticFeatures : IDisposable
{
    private const double Rate = 0.01;
    private const double Least = 0.75;
    private const double Most = 1.25;

    private SyntheticFeatures(Tensor directions, int mostActive) => (Directions, MostActive) = (directions, mostActive);

    /// <summary>True directions (F, D), rows of norm 1.</summary>
    public Tensor Directions { get; }

    /// <summary>Most features that make up one activation; the fewest is 1.</summary>
    public int MostActive { get; }

    /// <summary>Makes directions.</summary>
    /// <param name="featureCount">Directions F.</param>
    /// <param name="modelDim">Width D.</param>
    /// <param name="random">Source of randomness.</param>
    /// <param name="mostActive">Most features of one activation.</param>
    /// <param name="steps">Steps that push the directions apart.</param>
    public static SyntheticFeatures Make(long featureCount, long modelDim, Generator random, int mostActive = 8, int steps = 200)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(featureCount);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(modelDim);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(mostActive);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(mostActive, featureCount);
        Shapes.CheckSize([featureCount, modelDim], nameof(featureCount));
        Shapes.CheckSize([featureCount, featureCount], nameof(featureCount));
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var rows = randn([featureCount, modelDim], generator: random);
        var (first, second) = (zeros_like(rows), zeros_like(rows));
        var others = 1 - eye(featureCount);
        for (var step = 1; step <= steps; step++)
        {
            using var inner = NewDisposeScope();
            var norms = rows.norm(1, keepdim: true);
            var unit = rows / norms;
            var outward = (unit.mm(unit.t()) * others).pow(3).mm(unit) * 8; // each pair counts in both orders
            var gradient = (outward - (outward * unit).sum(1, keepdim: true) * unit) / norms;
            first.mul_(0.9).add_(gradient, alpha: 0.1);
            second.mul_(0.999).addcmul_(gradient, gradient, 0.001);
            var scale = (second / (1 - Math.Pow(0.999, step))).sqrt() + 1e-8;
            rows.sub_(first / scale * (Rate / (1 - Math.Pow(0.9, step))));
        }
        UnitRows.Normalize(rows);
        return new(rows.DetachFromDisposeScope(), mostActive);
    }

    /// <summary>Draws activations (B, D) and their true codes (B, F): how many and which features are uniform, magnitudes uniform in 0.75
    /// to 1.25. The caller disposes both.</summary>
    public (Tensor Activations, Tensor Codes) Draw(long count, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Shapes.CheckSize([count, Directions.size(0)], nameof(count));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var features = Directions.size(0);
        var active = randint(1, MostActive + 1, [count, 1], ScalarType.Int64, generator: random);
        var ranks = rand([count, features], generator: random).argsort(1).argsort(1);
        var codes = (rand([count, features], generator: random) * (Most - Least) + Least) * ranks.lt(active);
        return (codes.mm(Directions).MoveToOuterDisposeScope(), codes.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose() => Directions.Dispose();
}
