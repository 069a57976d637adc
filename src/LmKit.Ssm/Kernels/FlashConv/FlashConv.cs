using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>FlashConv: causal convolution of many sequences with long kernels, y = g_out . (K * x + D x) with x = g_in . u, forward and backward.</summary>
/// <remarks>
/// <para>The CPU form serves float32: a right-angle transform of the sequence's length, depth first, in AVX-512, AVX2 or four portable
/// lanes, channels shared among threads; gates and skip cost no pass of their own. float64 and other devices take the reference: sums up to
/// 128 columns, beyond them an FFT padded so that nothing wraps around.</para>
/// <para>Against float64 both err by about 1e-6 of the largest output. It can be differentiated once.</para>
/// </remarks>
public static partial class FlashConv
{
    /// <summary>Convolves.</summary>
    /// <param name="u">(B, H, P, L), float32 or float64: P signals share a channel's kernel. Where P = 1, (B, L, H) seen as (B, H, 1, L)
    /// is read as it lies.</param>
    /// <param name="kernel">K (H, K) of any length, of the same dtype and device.</param>
    /// <param name="skip">D (H), or null for none.</param>
    /// <param name="inputGate">g_in like u, or null for none.</param>
    /// <param name="outputGate">g_out like u, or null for none.</param>
    /// <returns>(B, H, P, L), in the caller's dispose scope.</returns>
    /// <exception cref="ArgumentException">Shapes, dtypes or devices do not fit.</exception>
    public static Tensor Convolve(Tensor u, Tensor kernel, Tensor? skip = null, Tensor? inputGate = null, Tensor? outputGate = null)
    {
        TensorCheck.CheckAlive(u, nameof(u), nameof(FlashConv));
        TensorCheck.CheckAlive(kernel, nameof(kernel), nameof(FlashConv));
        if (u.dim() != 4 || kernel.dim() != 2 || kernel.size(0) != u.size(1) || kernel.size(1) == 0)
            throw new ArgumentException($"{nameof(FlashConv)} takes u (B, H, P, L) and a kernel (H, K) of at least one tap; got ({string.Join(", ", u.shape)}) and ({string.Join(", ", kernel.shape)}).", nameof(u));
        if (u.dtype != kernel.dtype || u.dtype is not (ScalarType.Float32 or ScalarType.Float64) || u.device_type != kernel.device_type)
            throw new ArgumentException($"{nameof(FlashConv)} takes u and kernel both float32 or both float64, on one device; got {u.dtype} on {u.device} and {kernel.dtype} on {kernel.device}.", nameof(u));
        Check(u, skip, [u.size(1)], nameof(skip));
        Check(u, inputGate, u.shape, nameof(inputGate));
        Check(u, outputGate, u.shape, nameof(outputGate));
        using var scope = NewDisposeScope();
        if (u.numel() == 0)
            return Nothing(new ConvolutionInputs(u, kernel, skip, inputGate, outputGate)).MoveToOuterDisposeScope();
        var taps = Math.Min(kernel.size(1), u.size(3));
        var inputs = new ConvolutionInputs(u, kernel.size(1) == taps ? kernel : kernel.narrow(1, 0, taps), skip, inputGate, outputGate);
        if (!IsServed(u))
            return Reference(inputs).MoveToOuterDisposeScope();
        var width = SimdWidth.Bits; // also for the way back, whichever thread takes it
        return (TakesChannelsLast(u, width) ? Fused(inputs.ChannelsLast(), width).transpose(1, 2).unsqueeze(2) : Fused(inputs, width)).MoveToOuterDisposeScope();
    }

    // No number at all, but in the graph of all inputs.
    private static Tensor Nothing(ConvolutionInputs inputs)
    {
        var weights = inputs.Skip is null ? inputs.Kernel.sum(1) : inputs.Kernel.sum(1) + inputs.Skip;
        var y = inputs.Sequences * weights.view(1, -1, 1, 1);
        y = inputs.InputGate is null ? y : y * inputs.InputGate;
        return inputs.OutputGate is null ? y : y * inputs.OutputGate;
    }

    private static void Check(Tensor u, Tensor? tensor, long[] shape, string name)
    {
        if (tensor is null)
            return;
        TensorCheck.CheckAlive(tensor, name, nameof(FlashConv));
        if (!tensor.shape.SequenceEqual(shape) || tensor.dtype != u.dtype || tensor.device_type != u.device_type)
            throw new ArgumentException($"{nameof(FlashConv)} takes {name} ({string.Join(", ", shape)}), {u.dtype} on {u.device} as u is; got ({string.Join(", ", tensor.shape)}), {tensor.dtype} on {tensor.device}.", name);
    }

    private static bool IsServed(Tensor u) =>
        KernelSelection.Current == KernelChoice.Cpu && u.device_type == DeviceType.CPU && u.dtype == ScalarType.Float32 && u.size(3) <= LongestServed;

    private static Tensor Fused(ConvolutionInputs inputs, int width) => KernelFunction.Run(
        inputs.Present,
        () => ConvolveOnCpu(inputs, width),
        (gradient, present) => BackwardOnCpu(gradient, inputs.From(present), width));
}
