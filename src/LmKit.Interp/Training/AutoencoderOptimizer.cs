using System.Numerics;
using System.Runtime.CompilerServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Adam with bias correction over an autoencoder's parameters, between the halves of its decoder constraint.</summary>
/// <remarks>Parameters without a gradient rest. The moments are ours because resampling clears parts of them. Parameters of bfloat16 are
/// stepped, clipped and constrained through their float32 copies.</remarks>
internal sealed class AutoencoderOptimizer : IDisposable
{
    private readonly SparseAutoencoder autoencoder;
    private readonly SparseAutoencoderTrainingOptions options;
    private readonly MasterWeights masters;
    private readonly Dictionary<string, (Parameter Parameter, Tensor First, Tensor Second)> moments = [];
    private readonly Dictionary<string, long> steps = [];

    internal AutoencoderOptimizer(SparseAutoencoder autoencoder, SparseAutoencoderTrainingOptions options)
    {
        this.autoencoder = autoencoder;
        this.options = options;
        masters = new MasterWeights(autoencoder.named_parameters());
        foreach (var (name, weight) in autoencoder.named_parameters())
        {
            var parameter = masters.Of(weight);
            Tensor Zero() => zeros(parameter.shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
            moments[name] = (parameter, Zero(), Zero());
            steps[name] = 0;
        }
    }

    /// <summary>Sets gradients to zero, and takes over what else changed the weights since the last step.</summary>
    internal void Begin()
    {
        autoencoder.zero_grad();
        masters.Begin();
    }

    /// <summary>Clips, constrains and steps; the gradient's norm before clipping. Where that is not finite nothing else is done.</summary>
    internal double Apply(double rate)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        masters.TakeGradients();
        var gradients = moments.Values.Select(entry => entry.Parameter.grad).OfType<Tensor>().ToArray();
        var norm = GradientNorm.Of(gradients);
        if (!double.IsFinite(norm))
            return norm;
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
        masters.Write();
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

    /// <summary>The float32 copies by name; empty where there are none.</summary>
    internal IReadOnlyDictionary<string, Tensor> Masters => masters.Tensors;

    /// <summary>Takes over what <see cref="State"/> and <see cref="Masters"/> gave, which the caller has checked.</summary>
    internal void Restore(IReadOnlyDictionary<string, Tensor> state, IReadOnlyDictionary<string, Tensor> saved)
    {
        foreach (var (name, (_, first, second)) in moments)
        {
            first.copy_(state[$"exp_avg.{name}"]);
            second.copy_(state[$"exp_avg_sq.{name}"]);
            steps[name] = state[$"steps.{name}"].item<long>();
        }
        masters.Restore(saved);
    }

    public void Dispose()
    {
        foreach (var (_, first, second) in moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
        masters.Dispose();
    }

    private void Step(string name, double rate)
    {
        var (parameter, first, second) = moments[name];
        if (parameter.grad is { } gradient)
            new AdamStep(rate, options.Beta1, options.Beta2, options.Epsilon).Take(parameter, gradient, first, second, ++steps[name]);
    }
}

/// <summary>The L2 norm of several gradients together, with squares summed in float64.</summary>
/// <remarks>Pieces are of one size and their sums are added in order, so the number of threads moves no bit.</remarks>
internal static class GradientNorm
{
    private const int PieceLength = 1 << 16;

    internal static double Of(IEnumerable<Tensor> gradients) => Math.Sqrt(gradients.Sum(Squares));

    private static unsafe double Squares(Tensor gradient)
    {
        if (gradient.dtype != ScalarType.Float32 || gradient.device_type != DeviceType.CPU || !gradient.is_contiguous())
            return gradient.to(ScalarType.Float64).square().sum().item<double>();
        using var memory = new TensorMemory<float>(gradient, nameof(gradient));
        var (start, length) = ((nint)memory.Start, memory.Count);
        var sums = new double[checked((int)((length + PieceLength - 1) / PieceLength))];
        WorkerPool.Shared.Run(sums.Length, piece =>
        {
            var at = (long)piece * PieceLength;
            sums[piece] = Squares((float*)start + at, (int)Math.Min(PieceLength, length - at));
        });
        return sums.Sum();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe double Squares(float* values, int length)
    {
        var (low, high) = (Vector<double>.Zero, Vector<double>.Zero);
        var at = 0;
        for (; at <= length - Vector<float>.Count; at += Vector<float>.Count)
        {
            Vector.Widen(Vector.Load(values + at), out var a, out var b);
            low += a * a;
            high += b * b;
        }
        var sum = Vector.Sum(low + high);
        for (; at < length; at++)
            sum += (double)values[at] * values[at];
        return sum;
    }
}
