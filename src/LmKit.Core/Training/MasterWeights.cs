using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Float32 copies of the bfloat16 parameters of a run, which the optimizer steps in their place: steps smaller than bfloat16's
/// spacing add up there instead of vanishing.</summary>
/// <remarks>
/// <para>Parameters of float32 and float64 are their own masters. Float16 is refused: without loss scaling its gradients underflow.</para>
/// <para>Gradients are summed and clipped, weights averaged, in float32. A weight that somebody else changed between two steps is
/// taken over. Not thread-safe.</para>
/// </remarks>
internal sealed class MasterWeights : IDisposable
{
    private readonly (string Name, Parameter Weight, Parameter Master)[] copies;

    /// <summary>Makes the copies.</summary>
    /// <param name="trained">Parameters under training, by name.</param>
    /// <exception cref="ConfigurationException">A parameter is of float16.</exception>
    internal MasterWeights(IEnumerable<(string Name, Parameter Parameter)> trained)
    {
        ArgumentNullException.ThrowIfNull(trained);
        var entries = trained.ToArray();
        foreach (var (name, parameter) in entries)
        {
            if (parameter.dtype == ScalarType.Float16)
                throw new ConfigurationException("$.training", $"parameter '{name}' is of float16, whose gradients underflow without loss scaling; train in bfloat16 or float32 and convert afterwards.");
        }
        copies = [.. entries.Where(entry => entry.Parameter.dtype == ScalarType.BFloat16).Select(entry => (entry.Name, entry.Parameter, Copy(entry.Parameter)))];
    }

    /// <summary>Whether there are any.</summary>
    internal bool Any => copies.Length > 0;

    /// <summary>The copies by parameter name; they stay this object's.</summary>
    internal IReadOnlyDictionary<string, Tensor> Tensors => copies.ToDictionary(copy => copy.Name, copy => (Tensor)copy.Master);

    /// <summary>What the optimizer steps for a parameter: its copy, or itself.</summary>
    internal Parameter Of(Parameter parameter)
    {
        foreach (var (_, weight, master) in copies)
        {
            if (ReferenceEquals(weight, parameter))
                return master;
        }
        return parameter;
    }

    /// <summary>Begins a step: gradients of weights and copies become zero, and weights that are no longer their copies' roundings are taken.</summary>
    internal void Begin()
    {
        using var frozen = no_grad();
        foreach (var (_, weight, master) in copies)
        {
            using var scope = NewDisposeScope();
            weight.grad?.zero_();
            master.grad?.zero_();
            master.copy_(where(weight.eq(master.to(weight.dtype)), master, weight.to(ScalarType.Float32)));
        }
    }

    /// <summary>Adds the weights' gradients to those of the copies, and sets them to zero.</summary>
    internal void TakeGradients()
    {
        using var frozen = no_grad();
        foreach (var (_, weight, master) in copies)
        {
            using var scope = NewDisposeScope();
            if (weight.grad is not { } gradient)
                continue;
            if (master.grad is { } sum)
                sum.add_(gradient);
            else
                master.grad = gradient.to(ScalarType.Float32);
            gradient.zero_();
        }
    }

    /// <summary>Ends a step: the weights become the copies' roundings.</summary>
    internal void Write()
    {
        using var frozen = no_grad();
        foreach (var (_, weight, master) in copies)
            weight.copy_(master);
    }

    /// <summary>Refuses saved copies that are not exactly these in names, shapes and types; changes nothing.</summary>
    /// <exception cref="CheckpointMismatchException">They are another's.</exception>
    internal void Check(string source, IReadOnlyDictionary<string, Tensor> saved) => CheckpointLoader.Check(source, Tensors, saved);

    /// <summary>Takes saved copies over; the weights are loaded apart.</summary>
    internal void Restore(IReadOnlyDictionary<string, Tensor> saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        using var frozen = no_grad();
        foreach (var (name, _, master) in copies)
            master.copy_(saved[name]);
    }

    /// <summary>Frees the copies.</summary>
    public void Dispose()
    {
        foreach (var (_, _, master) in copies)
            master.Dispose();
    }

    private static Parameter Copy(Parameter weight)
    {
        using var scope = NewDisposeScope();
        var master = new Parameter(weight.detach().to(ScalarType.Float32));
        _ = master.DetachFromDisposeScope();
        return master;
    }
}
