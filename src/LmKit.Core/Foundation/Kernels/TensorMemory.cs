using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A contiguous CPU tensor's memory, for a kernel: dtype, device and layout are checked, and the tensor lives until this is disposed.</summary>
/// <remarks>Views keep their storage offset. Never write into a tensor that may have been saved for backward: libtorch does not see it.
/// Worker threads may use <see cref="Start"/>, the thread that opened it disposes.</remarks>
/// <typeparam name="T">float, double, long, sbyte, or ushort for the bits of bfloat16.</typeparam>
public readonly unsafe ref struct TensorMemory<T>
    where T : unmanaged
{
    private readonly Tensor tensor;
    private readonly T* first;

    /// <summary>Opens a tensor.</summary>
    /// <param name="tensor">Contiguous, on the CPU, of dtype <typeparamref name="T"/>.</param>
    /// <param name="name">What it is called in an error.</param>
    /// <exception cref="ArgumentException">It is not; names it and what it is.</exception>
    public TensorMemory(Tensor tensor, string name)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.device_type != DeviceType.CPU || tensor.dtype != Dtype || !tensor.is_contiguous())
            throw new ArgumentException($"A kernel needs {name} as contiguous {Dtype} on the CPU; got {(tensor.is_contiguous() ? "contiguous" : "strided")} {tensor.dtype} on {tensor.device}.", name);
        this.tensor = tensor;
        Count = tensor.numel();
        first = Count == 0 ? null : (T*)TensorAddress.Of(tensor);
    }

    /// <summary>Number of entries.</summary>
    public long Count { get; }

    /// <summary>The first entry; null for an empty tensor.</summary>
    public T* Start => first;

    /// <summary>Entries from a place on, bounds checked.</summary>
    public Span<T> Span(long start, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(start, Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Count - start);
        return new Span<T>(first + start, count);
    }

    /// <summary>Ends the use; a tensor without other references may be freed from here on.</summary>
    public void Dispose() => GC.KeepAlive(tensor);

    private static ScalarType Dtype => default(T) switch
    {
        float => ScalarType.Float32,
        double => ScalarType.Float64,
        long => ScalarType.Int64,
        sbyte => ScalarType.Int8,
        ushort => ScalarType.BFloat16,
        _ => throw new NotSupportedException($"Kernels read float, double, long, sbyte and the bits of bfloat16, not {typeof(T).Name}."),
    };
}

/// <summary>Where a tensor's first element lies, storage offset included.</summary>
/// <remarks>One native call; of the accessors that TorchSharp shows one forgets the offset and the others cost far more.</remarks>
internal static partial class TensorAddress
{
    internal static nint Of(Tensor tensor) => Data(tensor.Handle);

    /// <summary>A contiguous tensor over memory that somebody else keeps, such as a mapped file's: to be read only, and only as long as the
    /// memory is there. The address may be odd, which is for views and copies byte by byte alone.</summary>
    internal static unsafe Tensor View(nint address, ScalarType type, ReadOnlySpan<long> shape)
    {
        if (shape.Contains(0))
            return empty(shape.ToArray(), type);
        fixed (long* sizes = shape)
        {
            long none = 0;
            return Tensor.UnsafeCreateTensor(New(address, &Keep, sizes is null ? &none : sizes, shape.Length, (sbyte)type, (sbyte)type, (int)DeviceType.CPU, -1, 0));
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(System.Runtime.CompilerServices.CallConvCdecl)])]
    private static void Keep(nint memory)
    {
        // The memory is not the tensor's.
    }

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_data")]
    private static partial nint Data(nint tensor);

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_new")]
    private static unsafe partial nint New(nint data, delegate* unmanaged[Cdecl]<nint, void> deleter, long* sizes, int axes, sbyte type, sbyte dtype, int deviceType, int deviceIndex, byte requiresGrad);
}
