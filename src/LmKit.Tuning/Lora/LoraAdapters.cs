using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>All adapters of a model at once.</summary>
public static class LoraAdapters
{
    private const string BaseSegment = ".base_layer";

    /// <summary>The adapters of a model's linears with their component names, outer ones before those that they wrap.</summary>
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
        if (All(model).Count == 0)
            throw new ArgumentException("The model has no adapter to train; add UseLora where it is built.", nameof(model));
        var trained = 0L;
        foreach (var (name, parameter) in model.named_parameters())
        {
            var isAdapter = IsPart(name);
            parameter.requires_grad_(isAdapter);
            trained += isAdapter ? parameter.numel() : 0;
        }
        return trained;
    }

    /// <summary>Lets calls compute with one weight for each adapted linear (<see cref="LoraLinear.Merge"/>).</summary>
    /// <param name="model">The model.</param>
    /// <param name="mode">What to do on bases that are not dense.</param>
    /// <returns>How many were merged.</returns>
    /// <remarks>Parameters stay as they are, and so does what is saved; each merged linear holds a second weight. For a model
    /// without adapters see <see cref="MergeAndUnload"/>.</remarks>
    /// <exception cref="InvalidOperationException">A sum is not finite; names it, and nothing was changed.</exception>
    public static int Merge(nn.Module model, MergeMode mode = MergeMode.KeepAdapter)
    {
        var merged = new List<LoraLinear>();
        try
        {
            foreach (var (_, adapter) in Of(model))
            {
                if (adapter.Merge(mode))
                    merged.Add(adapter);
            }
            return merged.Count;
        }
        catch (InvalidOperationException)
        {
            foreach (var adapter in merged)
                adapter.Unmerge();
            throw;
        }
    }

    /// <summary>Lets calls compute base and update apart again, bit for bit as before.</summary>
    public static void Unmerge(nn.Module model)
    {
        foreach (var (_, adapter) in Of(model))
            adapter.Unmerge();
    }

    /// <summary>Makes a model without adapters that computes what this one computes now, for whoever does not use LmKit.Tuning.</summary>
    /// <param name="model">The model; stays the caller's, and as it is.</param>
    /// <returns>The new model, with weights of its own, in evaluation mode; the caller's.</returns>
    /// <remarks>Adapters count as they act: with their strength, and not at all when they are switched off. A linear that is not dense
    /// (Monarch, or packed with rounded weights) becomes dense wherever it has an adapter, in the weights and in the configuration.
    /// Other linears keep their kind.</remarks>
    /// <exception cref="ArgumentException">The model has no adapter.</exception>
    /// <exception cref="InvalidOperationException">A sum is not finite, or an adapter has a bias and its linear none; names it.</exception>
    public static LanguageModel MergeAndUnload(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return PlainModel.Of(model);
    }

    /// <summary>Switches all adapters on or off.</summary>
    public static void Enable(nn.Module model, bool isEnabled = true)
    {
        foreach (var (_, adapter) in All(model))
            adapter.IsEnabled = isEnabled;
    }

    /// <summary>Loads the weights of a model without adapters into one that has them; the adapters keep their values.</summary>
    /// <param name="model">The model with adapters, any number on a linear, merged or not.</param>
    /// <param name="weights">The other's parameters by name, such as a <c>model.safetensors</c> holds; they stay the caller's.</param>
    /// <remarks>Lengths of weight decomposition that are still the old base's become the new one's; trained ones stay, and so do the embedding
    /// rows of trained tokens, which belong to the adapters.</remarks>
    /// <exception cref="CheckpointMismatchException">Something is missing, unexpected, or of another shape or type.</exception>
    /// <exception cref="ArgumentException">A weight is not finite; names it. Nothing was loaded.</exception>
    public static void LoadBase(nn.Module model, IReadOnlyDictionary<string, Tensor> weights)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(weights);
        if (ModuleTensors.FirstNotFinite(weights) is { } broken)
            throw new ArgumentException($"The base weight '{broken}' holds values that are not finite; nothing was loaded.", nameof(weights));
        using var scope = NewDisposeScope();
        var own = model.state_dict();
        var renamed = own.Keys.Where(name => !IsPart(name)).ToDictionary(BaseName, name => name);
        var loaded = own.Where(pair => IsPart(pair.Key)).ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
        foreach (var (name, tensor) in weights)
            loaded[renamed.GetValueOrDefault(name, name)] = tensor;
        var untrained = Of(model).Select(entry => entry.Adapter).Where(adapter => adapter.HasBaseLengths()).ToArray();
        var rows = TrainedRows.Of(model);
        CheckpointLoader.Load(model, loaded);
        foreach (var adapter in untrained)
            adapter.ResetMagnitude();
        rows?.Write();
    }

    /// <summary>Every adapter, those of embeddings too.</summary>
    internal static IReadOnlyList<(string Name, ILoraAdapter Adapter)> All(nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return [.. model.named_modules().Where(entry => entry.module is ILoraAdapter).Select(entry => (entry.name, (ILoraAdapter)entry.module))];
    }

    /// <summary>Whether a parameter of this name belongs to an adapter.</summary>
    internal static bool IsPart(string name) => name[(name.LastIndexOf('.') + 1)..].StartsWith("lora_", StringComparison.Ordinal);

    /// <summary>What a module or parameter would be called without adapters.</summary>
    internal static string BaseName(string name) => name.Replace(BaseSegment, "", StringComparison.Ordinal);
}

/// <summary>What merging does with an adapter on a layer that is not dense.</summary>
public enum MergeMode
{
    /// <summary>Leaves the adapter beside the structured layer.</summary>
    KeepAdapter,

    /// <summary>Computes with the dense sum of both from then on, at a dense layer's cost.</summary>
    Densify,
}
