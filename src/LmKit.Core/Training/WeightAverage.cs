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
    private readonly (string Name, Parameter Parameter, Tensor Shadow)[] entries;

    /// <summary>Starts the average at the model's present parameters.</summary>
    public WeightAverage(nn.Module model, double decay)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentOutOfRangeException.ThrowIfNegative(decay);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(decay, 1);
        this.model = model;
        this.decay = decay;
        entries = [.. model.named_parameters()
            .Where(pair => pair.parameter.requires_grad)
            .Select(pair => (pair.name, pair.parameter, Copy(pair.parameter)))];
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
        foreach (var (_, parameter, shadow) in entries)
        {
            using var difference = parameter - shadow;
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
        foreach (var (name, _, shadow) in entries)
            shadow.copy_(tensors[name]);
        UpdateCount = updateCount;
    }

    /// <summary>Refuses averages that are not exactly this model's in names, shapes and types; changes nothing.</summary>
    /// <exception cref="CheckpointMismatchException">They are another's.</exception>
    public void Check(IReadOnlyDictionary<string, Tensor> tensors) => CheckpointLoader.Check("The checkpoint's weight average", Tensors, tensors);

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach (var (_, _, shadow) in entries)
            shadow.Dispose();
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

        internal Swapped(nn.Module model, (string Name, Parameter Parameter, Tensor Shadow)[] entries)
        {
            this.model = model;
            using var frozen = no_grad();
            originals = [.. entries.Select(entry => (entry.Parameter, Copy(entry.Parameter)))];
            foreach (var (_, parameter, shadow) in entries)
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
