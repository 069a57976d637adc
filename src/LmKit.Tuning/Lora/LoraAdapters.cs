using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>All adapters of a model at once.</summary>
public static class LoraAdapters
{
    private const string BaseSegment = ".base_layer.";

    /// <summary>The adapters of a model with their component names.</summary>
    public static IReadOnlyList<(string Name, LoraLinear Adapter)> Of(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. model.named_modules().Where(entry => entry.module is LoraLinear).Select(entry => (entry.name, (LoraLinear)entry.module))];
    }

    /// <summary>Freezes every parameter that belongs to no adapter.</summary>
    /// <returns>How many numbers are trained.</returns>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    public static long FreezeOthers(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Of(model).Count == 0)
            throw new ArgumentException("The model has no adapter to train; add UseLora where it is built.", nameof(model));
        var trained = 0L;
        foreach (var (name, parameter) in model.named_parameters())
        {
            var isAdapter = name.Split('.')[^1].StartsWith("lora_", StringComparison.Ordinal);
            parameter.requires_grad_(isAdapter);
            trained += isAdapter ? parameter.numel() : 0;
        }
        return trained;
    }

    /// <summary>Merges every adapter into its base.</summary>
    /// <param name="model">The model.</param>
    /// <param name="mode">What to do on bases that are not dense.</param>
    /// <returns>How many were merged.</returns>
    public static int Merge(nn.Module model, MergeMode mode = MergeMode.KeepAdapter) => Of(model).Count(entry => entry.Adapter.Merge(mode));

    /// <summary>Takes every adapter out of its base; the bases are bit for bit what they were.</summary>
    public static void Unmerge(nn.Module model)
    {
        foreach (var (_, adapter) in Of(model))
            adapter.Unmerge();
    }

    /// <summary>Switches all adapters on or off.</summary>
    public static void Enable(nn.Module model, bool isEnabled = true)
    {
        foreach (var (_, adapter) in Of(model))
            adapter.IsEnabled = isEnabled;
    }

    /// <summary>Loads the weights of a model without adapters into one that has them; the adapters keep their values.</summary>
    /// <param name="model">The model with adapters.</param>
    /// <param name="weights">The other's parameters by name, such as a <c>model.safetensors</c> holds; they stay the caller's.</param>
    /// <exception cref="CheckpointMismatchException">Something is missing, unexpected, or of another shape or type.</exception>
    public static void LoadBase(nn.Module model, IReadOnlyDictionary<string, Tensor> weights)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(weights);
        using var scope = NewDisposeScope();
        var own = model.state_dict();
        var renamed = own.Keys.ToLookup(name => name.Replace(BaseSegment, ".", StringComparison.Ordinal));
        var loaded = own.Where(pair => pair.Key.Split('.')[^1].StartsWith("lora_", StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
        foreach (var (name, tensor) in weights)
            loaded[renamed[name].FirstOrDefault() ?? name] = tensor;
        CheckpointLoader.Load(model, loaded);
        foreach (var (_, adapter) in Of(model))
            adapter.ResetMagnitude();
    }
}
