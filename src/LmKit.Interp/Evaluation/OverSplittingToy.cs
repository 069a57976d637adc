using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A binary attribute, +-mu plus noise, that many narrow features describe at a lower loss than the two ideal ones do
/// (Makelov et al. 2024).</summary>
public static class OverSplittingToy
{
    /// <summary>Draws samples (B, D) of the mixture of N(mu, I) and N(-mu, I); the caller disposes both.</summary>
    /// <returns>The samples and mu.</returns>
    public static (Tensor Samples, Tensor Mean) Draw(long count, long width, double norm, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        Shapes.CheckSize([count, width], nameof(count));
        LibTorch.EnsureLoaded();
        using var scope = NewDisposeScope();
        var mean = zeros([width]);
        mean[0] = norm;
        var signs = randint(0, 2, [count, 1], ScalarType.Int64, generator: random) * 2 - 1;
        return ((randn([count, width], generator: random) + signs * mean).MoveToOuterDisposeScope(), mean.MoveToOuterDisposeScope());
    }

    /// <summary>Squared error plus lambda times the codes' sum, of encoder rows over a unit decoder: mean |x_hat - x|^2 + lambda sum a.</summary>
    /// <param name="samples">Samples (B, D).</param>
    /// <param name="encoder">Encoder rows (F, D); decoder rows are these at norm 1.</param>
    /// <param name="bias">What is subtracted from every pre-activation (gamma).</param>
    /// <param name="lambda">Weight of the penalty.</param>
    /// <returns>The loss and the active features in a row.</returns>
    public static (double Loss, double ActiveCount) Loss(Tensor samples, Tensor encoder, double bias, double lambda)
    {
        var check = new TensorCheck(nameof(OverSplittingToy));
        check.Typed(samples, nameof(samples), "B D", ScalarType.Float32);
        check.Typed(encoder, nameof(encoder), "F D", ScalarType.Float32);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var codes = (samples.mm(encoder.t()) - bias).relu();
        var rebuilt = codes.mm(encoder / encoder.norm(1, keepdim: true).clamp_min(1e-12));
        var loss = (rebuilt - samples).square().sum(1).mean() + codes.sum(1).mean() * lambda;
        return (loss.item<float>(), codes.gt(0).sum(1).to(ScalarType.Float64).mean().item<double>());
    }

    /// <summary>The least loss of the ideal pair of features over grids of gain and bias.</summary>
    public static double BestIdeal(Tensor samples, Tensor mean, double lambda, int gains = 20, int biases = 100)
    {
        var check = new TensorCheck(nameof(OverSplittingToy));
        check.Typed(samples, nameof(samples), "B D", ScalarType.Float32);
        check.Typed(mean, nameof(mean), "D", ScalarType.Float32);
        ArgumentOutOfRangeException.ThrowIfLessThan(gains, 2);
        ArgumentOutOfRangeException.ThrowIfLessThan(biases, 2);
        using var scope = NewDisposeScope();
        // Codes are gain x (mu . x) - bias along +-mu: one product serves the whole grid.
        var unit = mean / mean.norm();
        var along = samples.mv(unit);
        var rest = samples.square().sum(1).mean().item<float>() - along.square().mean().item<float>();
        var length = mean.norm().item<float>();
        var best = double.PositiveInfinity;
        for (var gain = 0; gain < gains; gain++)
        {
            for (var bias = 0; bias < biases; bias++)
            {
                using var inner = NewDisposeScope();
                var (kappa, gamma) = (2.0 * gain / (gains - 1) * length, 5.0 * bias / (biases - 1));
                var (plus, minus) = ((along * kappa - gamma).relu(), (along * -kappa - gamma).relu());
                best = Math.Min(best, rest + ((plus - minus - along).square().mean() + (plus + minus).mean() * lambda).item<float>());
            }
        }
        return best;
    }

    /// <summary>The least loss of features drawn from the data's own distribution, over a grid of their length beta.</summary>
    public static (double Loss, double ActiveCount) BestSplit(Tensor samples, Tensor drawn, double lambda, double largest = 0.2, int steps = 40, double bias = 2.35)
    {
        TensorCheck.CheckAlive(drawn, nameof(drawn), nameof(OverSplittingToy));
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        var best = (Loss: double.PositiveInfinity, ActiveCount: 0.0);
        for (var step = 1; step <= steps; step++)
        {
            using var scope = NewDisposeScope();
            var found = Loss(samples, drawn * (largest * step / steps), bias, lambda);
            best = found.Loss < best.Loss ? found : best;
        }
        return best;
    }
}
