using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Chooses the form in which kernels run.</summary>
/// <remarks>The environment variable <c>LMKIT_KERNELS=reference|cpu|cuda</c> sets the fastest form that may be chosen; unset, each
/// tensor gets the fastest form of its device. Thread-safe.</remarks>
public static class KernelDispatch
{
    /// <summary>The environment variable's name.</summary>
    public const string Variable = "LMKIT_KERNELS";

    private static readonly AsyncLocal<KernelChoice?> Forced = new();
    private static readonly KernelChoice Configured = Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>The fastest form that may be chosen here and now.</summary>
    public static KernelChoice Limit => Forced.Value ?? Configured;

    /// <summary>The form for tensors that must all be on one device.</summary>
    /// <param name="hasCuda">Whether the kernel has a CUDA form.</param>
    /// <param name="tensors">What the kernel takes; at least one.</param>
    /// <returns>Cpu for float32 and float64 tensors on the CPU, Cuda on a CUDA device where there is such a form, and otherwise the reference.</returns>
    public static KernelChoice For(bool hasCuda, params ReadOnlySpan<Tensor> tensors)
    {
        var limit = Limit;
        if (limit == KernelChoice.Reference || tensors.Length == 0)
            return KernelChoice.Reference;
        var (device, dtype) = (tensors[0].device_type, tensors[0].dtype);
        foreach (var tensor in tensors)
        {
            if (tensor.device_type != device || tensor.dtype != dtype)
                return KernelChoice.Reference;
        }
        return device switch
        {
            DeviceType.CPU when dtype is ScalarType.Float32 or ScalarType.Float64 => KernelChoice.Cpu,
            DeviceType.CUDA when hasCuda && limit == KernelChoice.Cuda => KernelChoice.Cuda,
            _ => KernelChoice.Reference,
        };
    }

    /// <summary>Limits the choice in this flow of control until the result is disposed: for comparisons and tests.</summary>
    /// <param name="limit">The fastest form that may be chosen.</param>
    public static IDisposable Use(KernelChoice limit)
    {
        var before = Forced.Value;
        Forced.Value = limit;
        return new Restore(before);
    }

    internal static KernelChoice Parse(string? text) => text switch
    {
        null or "" or "cuda" => KernelChoice.Cuda,
        "cpu" => KernelChoice.Cpu,
        "reference" => KernelChoice.Reference,
        _ => throw new ConfigurationException(Variable, $"{Variable}={text}: take reference, cpu or cuda, or leave it unset."),
    };

    private sealed class Restore(KernelChoice? before) : IDisposable
    {
        public void Dispose() => Forced.Value = before;
    }
}
