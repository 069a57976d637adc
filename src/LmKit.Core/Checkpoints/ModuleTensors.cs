using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The tensors of a module that a checkpoint holds.</summary>
public static class ModuleTensors
{
    /// <summary>A module's parameters and persistent buffers by name, which <see cref="CheckpointLoader"/> loads again.</summary>
    /// <remarks>The tensors are the module's own, not copies: they stay the module's and change with it.</remarks>
    public static IReadOnlyDictionary<string, Tensor> Of(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        return module.state_dict();
    }

    /// <summary>The name of a floating tensor with a value that is not finite, or null.</summary>
    public static string? FirstNotFinite(IReadOnlyDictionary<string, Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        foreach (var (name, tensor) in tensors)
            TensorCheck.CheckAlive(tensor, name, nameof(ModuleTensors));
        using var frozen = no_grad();
        return tensors.FirstOrDefault(pair => !FiniteNumbers.All(pair.Value)).Key;
    }
}
