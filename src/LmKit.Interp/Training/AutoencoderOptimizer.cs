using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Adam with bias correction over an autoencoder's parameters, between the halves of its decoder constraint.</summary>
/// <remarks>Parameters without a gradient rest. The moments are ours because resampling clears parts of them.</remarks>
internal sealed class AutoencoderOptimizer : IDisposable
{
    private readonly SparseAutoencoder autoencoder;
    private readonly SparseAutoencoderTrainingOptions options;
    private readonly Dictionary<string, (Parameter Parameter, Tensor First, Tensor Second)> moments = [];
    private readonly Dictionary<string, long> steps = [];

    internal AutoencoderOptimizer(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options)
    {
        this.autoencoder = autoencoder;
        this.options = options;
        foreach (var (name, parameter) in autoencoder.named_parameters())
        {
            // Half-precision moments would stall.
            var dtype = parameter.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
            Tensor Zero() => zeros(parameter.shape, dtype, parameter.device).DetachFromDisposeScope();
            moments[name] = (parameter, Zero(), Zero());
            steps[name] = 0;
        }
    }

    /// <summary>Clips, constrains and steps; the gradient's norm before clipping.</summary>
    internal double Apply(double rate)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var gradients = moments.Values.Select(entry => entry.Parameter.grad).OfType<Tensor>().ToArray();
        var norm = Math.Sqrt(gradients.Sum(gradient => gradient.to(ScalarType.Float64).square().sum().item<double>()));
        // The same slack as torch's clipping.
        if (options.MaxGradientNorm > 0 && options.MaxGradientNorm / (norm + 1e-6) is < 1 and var factor)
        {
            foreach (var gradient in gradients)
                gradient.mul_(factor);
        }
        var rows = moments["W_dec"].Parameter;
        if (autoencoder.Options.Constraint == DecoderConstraint.UnitRowsBeforeStep)
            UnitRows.Normalize(rows);
        if (autoencoder.Options.Constraint != DecoderConstraint.Free)
            UnitRows.ProjectGradient(rows);
        foreach (var name in moments.Keys)
            Step(name, rate);
        if (autoencoder.Options.Constraint == DecoderConstraint.UnitRows)
            UnitRows.Normalize(rows);
        return norm;
    }

    internal (Tensor First, Tensor Second) Moments(string name) => (moments[name].First, moments[name].Second);

    internal Dictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, (_, first, second)) in moments)
        {
            state[$"exp_avg.{name}"] = first;
            state[$"exp_avg_sq.{name}"] = second;
            state[$"steps.{name}"] = tensor(steps[name]);
        }
        return state;
    }

    internal void Restore(IReadOnlyDictionary<string, Tensor> state)
    {
        foreach (var (name, (_, first, second)) in moments)
        {
            first.copy_(state[$"exp_avg.{name}"]);
            second.copy_(state[$"exp_avg_sq.{name}"]);
            steps[name] = state[$"steps.{name}"].item<long>();
        }
    }

    public void Dispose()
    {
        foreach (var (_, first, second) in moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
    }

    private void Step(string name, double rate)
    {
        var (parameter, first, second) = moments[name];
        if (parameter.grad is not { } raw)
            return;
        var count = ++steps[name];
        var gradient = raw.to(first.dtype);
        first.mul_(options.Beta1).add_(gradient, alpha: 1 - options.Beta1);
        second.mul_(options.Beta2).addcmul_(gradient, gradient, 1 - options.Beta2);
        var scale = second.sqrt() / Math.Sqrt(1 - Math.Pow(options.Beta2, count)) + options.Epsilon;
        parameter.sub_((first / scale * (rate / (1 - Math.Pow(options.Beta1, count)))).to(parameter.dtype));
    }
}
