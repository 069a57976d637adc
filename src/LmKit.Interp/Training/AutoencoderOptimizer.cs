using System.Numerics;
using System.Runtime.CompilerServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Adam with bias correction over an autoencoder's parameters, between the halves of its decoder constraint.</summary>
/// <remarks>Parameters without a gradient rest. The moments are ours because resampling clears parts of them. Parameters of bfloat16 are
/// stepped, clipped and constrained through their float32 copies.</remarks>
internal sealed class AutoencoderOptimizer : LearnerOptimizer
{
    private readonly SparseAutoencoder autoencoder;
    private readonly AutoencoderTaskOptions options;
    private readonly Dictionary<string, (Parameter Parameter, Tensor First, Tensor Second)> moments = [];
    private readonly Dictionary<string, long> steps = [];

    internal AutoencoderOptimizer(SparseAutoencoder autoencoder, AutoencoderTaskOptions options)
        : base(new MasterWeights(autoencoder.named_parameters()))
    {
        this.autoencoder = autoencoder;
        this.options = options;
        foreach (var (name, weight) in autoencoder.named_parameters())
        {
            var parameter = Masters.Of(weight);
            Tensor Zero() => zeros(parameter.shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
            moments[name] = (parameter, Zero(), Zero());
            steps[name] = 0;
        }
    }

    internal override void Begin()
    {
        autoencoder.zero_grad();
        Masters.Begin();
    }

    internal override double Clip(double scale)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var gradients = moments.Values.Select(entry => entry.Parameter.grad).OfType<Tensor>().ToArray();
        var norm = GradientNorm.Of(gradients) * scale;
        // The same slack as torch's clipping.
        var factor = scale * (options.MaxGradientNorm > 0 ? Math.Min(1, options.MaxGradientNorm / (norm + 1e-6)) : 1);
        if (double.IsFinite(norm) && factor != 1)
        {
            foreach (var gradient in gradients)
                gradient.mul_(factor);
        }
        return norm;
    }

    internal override void Step(double share)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var rows = moments["W_dec"].Parameter;
        if (autoencoder.Options.Constraint == DecoderConstraint.UnitRowsBeforeStep)
            UnitRows.Normalize(rows);
        if (autoencoder.Options.Constraint != DecoderConstraint.Free)
            UnitRows.ProjectGradient(rows);
        foreach (var name in moments.Keys)
            Step(name, options.LearningRate * share);
        if (autoencoder.Options.Constraint == DecoderConstraint.UnitRows)
            UnitRows.Normalize(rows);
        Masters.Write();
    }

    internal (Tensor First, Tensor Second) Moments(string name) => (moments[name].First, moments[name].Second);

    internal override IReadOnlyDictionary<string, Tensor> State()
    {
        var state = new Dictionary<string, Tensor>();
        foreach (var (name, (_, first, second)) in moments)
        {
            state[$"{name}.exp_avg"] = first;
            state[$"{name}.exp_avg_sq"] = second;
            state[StepName(name)] = tensor(steps[name]);
        }
        return state;
    }

    internal override void Check(IReadOnlyDictionary<string, Tensor> saved)
    {
        const string Source = "The checkpoint's optimizer state";
        using var scope = NewDisposeScope();
        CheckpointLoader.Check(Source, State(), saved);
        foreach (var name in moments.Keys.Select(StepName))
        {
            if (saved[name].item<long>() is var done && done < 0)
                throw new CheckpointMismatchException(Source, [], [], [], [], [new TensorMismatch(name, "steps done, 0 or more", $"{done}")]);
        }
    }

    internal override void Restore(IReadOnlyDictionary<string, Tensor> saved)
    {
        using var frozen = no_grad();
        foreach (var (name, (_, first, second)) in moments)
        {
            first.copy_(saved[$"{name}.exp_avg"]);
            second.copy_(saved[$"{name}.exp_avg_sq"]);
            steps[name] = saved[StepName(name)].item<long>();
        }
    }

    public override void Dispose()
    {
        foreach (var (_, first, second) in moments.Values)
        {
            first.Dispose();
            second.Dispose();
        }
        base.Dispose();
    }

    private static string StepName(string name) => $"{name}.step";

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
