using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>An exponential moving average of a model's parameters.</summary>
/// <remarks>Update n (from 1) uses d = min(decay, (1 + n) / (10 + n)); shadow = d shadow + (1 - d) parameter. Not thread-safe.</remarks>
public sealed class WeightAverage : IDisposable
{
    private readonly nn.Module model;
    private readonly double decay;
    private readonly (string Name, Parameter Parameter, Parameter Source, Tensor Shadow)[] entries;

    /// <summary>Starts the average at the model's present parameters; averages of half precision are kept in float32.</summary>
    public WeightAverage(nn.Module model, double decay)
        : this(model, decay, null)
    {
    }

    /// <summary>Starts the average at the model's present parameters, and follows their float32 copies where there are some.</summary>
    /// <param name="model">The model.</param>
    /// <param name="decay">The decay.</param>
    /// <param name="masters">The copies, which stay the caller's.</param>
    internal WeightAverage(nn.Module model, double decay, MasterWeights? masters)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegative(decay);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(decay, 1);
        this.model = model;
        this.decay = decay;
        entries = [.. model.named_parameters()
            .Where(pair => pair.parameter.requires_grad)
            .Select(pair => (pair.name, pair.parameter, Source: masters?.Of(pair.parameter) ?? pair.parameter))
            .Select(entry => (entry.name, entry.parameter, entry.Source, Wide(entry.Source)))];
    }

    /// <summary>Updates done so far.</summary>
    public long UpdateCount { get; private set; }

    /// <summary>The averages by parameter name, owned by this object.</summary>
    public IReadOnlyDictionary<string, Tensor> Tensors => entries.ToDictionary(entry => entry.Name, entry => entry.Shadow);

    /// <summary>Moves the averages towards the present parameters.</summary>
    public void Update()
    {
        UpdateCount++;
        var kept = Math.Min(decay, (1.0 + UpdateCount) / (10.0 + UpdateCount));
        using var frozen = no_grad();
        foreach (var (_, _, source, shadow) in entries)
        {
            using var difference = source - shadow; // float32 of a bfloat16 source, as the shadow is
            shadow.add_(difference.mul_(1 - kept));
        }
    }

    /// <summary>Puts the averages into the model until the result is disposed, which puts the parameters back.</summary>
    public IDisposable Swap() => new Swapped(model, entries);

    /// <summary>Takes over saved averages.</summary>
    /// <exception cref="CheckpointMismatchException">An average is missing, unexpected, or of another shape or type; nothing was taken.</exception>
    public void Restore(IReadOnlyDictionary<string, Tensor> tensors, long updateCount)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var frozen = no_grad();
        Check(tensors);
        foreach (var (name, _, _, shadow) in entries)
            shadow.copy_(tensors[name]);
        UpdateCount = updateCount;
    }

    /// <summary>Refuses averages that are not exactly this model's in names, shapes and types; changes nothing.</summary>
    /// <exception cref="CheckpointMismatchException">They are another's.</exception>
    public void Check(IReadOnlyDictionary<string, Tensor> tensors) => CheckpointLoader.Check("The checkpoint's weight average", Tensors, tensors);

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach (var (_, _, _, shadow) in entries)
            shadow.Dispose();
    }

    private static Tensor Wide(Parameter parameter)
    {
        using var scope = NewDisposeScope();
        var copy = parameter.detach().clone();
        return (copy.dtype is ScalarType.Float16 or ScalarType.BFloat16 ? copy.to(ScalarType.Float32) : copy).DetachFromDisposeScope();
    }

    private static Tensor Copy(Parameter parameter)
    {
        using var scope = NewDisposeScope();
        return parameter.detach().clone().DetachFromDisposeScope();
    }

    private sealed class Swapped : IDisposable
    {
        private readonly nn.Module model;
        private readonly (Parameter Parameter, Tensor Original)[] originals;

        internal Swapped(nn.Module model, (string Name, Parameter Parameter, Parameter Source, Tensor Shadow)[] entries)
        {
            this.model = model;
            using var frozen = no_grad();
            originals = [.. entries.Select(entry => (entry.Parameter, Copy(entry.Parameter)))];
            foreach (var (_, parameter, _, shadow) in entries)
                parameter.copy_(shadow);
            IPreparedWeights.ForgetAll(model);
        }

        public void Dispose()
        {
            using var frozen = no_grad();
            foreach (var (parameter, original) in originals)
            {
                if (original.IsInvalid)
                    continue;
                parameter.copy_(original);
                original.Dispose();
            }
            IPreparedWeights.ForgetAll(model);
        }
    }
}
