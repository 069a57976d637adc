using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A tensor's memory, checked, open until it is disposed.</summary>
/// <typeparam name="T">The element type: float, double, long, or ushort for the bits of bfloat16.</typeparam>
/// <remarks>It keeps the tensor from being finalized, not from being disposed. Writing through it is invisible to automatic
/// differentiation: write only into tensors that the kernel itself has just made.</remarks>
public readonly unsafe ref struct TensorMemory<T>
    where T : unmanaged
{
    private readonly Tensor tensor;

    /// <summary>Opens a tensor's memory.</summary>
    /// <param name="tensor">A contiguous tensor on the CPU; not copied, not disposed.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="ArgumentException">The dtype, device or layout is another; names the tensor and what it is.</exception>
    public TensorMemory(Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (tensor.dtype != Dtype)
            throw new ArgumentException($"{name} is {tensor.dtype}; this kernel reads {Dtype}.", nameof(tensor));
        if (tensor.device_type != DeviceType.CPU)
            throw new ArgumentException($"{name} is on {tensor.device}; this kernel reads memory of the CPU.", nameof(tensor));
        if (!tensor.is_contiguous())
            throw new ArgumentException($"{name} of shape ({string.Join(", ", tensor.shape)}) is not contiguous; call contiguous() first.", nameof(tensor));
        this.tensor = tensor;
        Length = tensor.numel();
        Start = Length == 0 ? null : (T*)TensorAddress.Of(tensor);
    }

    /// <summary>The first element; null when there is none. Aligned to the element only.</summary>
    public T* Start { get; }

    /// <summary>How many elements there are.</summary>
    public long Length { get; }

    /// <summary>The elements.</summary>
    /// <exception cref="OverflowException">There are more than a span holds.</exception>
    public Span<T> Span => new(Start, checked((int)Length));

    /// <summary>Ends the access.</summary>
    public void Dispose() => GC.KeepAlive(tensor);

    private static ScalarType Dtype => default(T) switch
    {
        float => ScalarType.Float32,
        double => ScalarType.Float64,
        long => ScalarType.Int64,
        ushort => ScalarType.BFloat16,
        _ => throw new NotSupportedException($"Kernels do not read {typeof(T).Name}."),
    };
}
