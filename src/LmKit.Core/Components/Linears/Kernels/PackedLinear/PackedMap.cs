using System.ComponentModel.DataAnnotations;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The product with a weight, through a packed copy of it wherever that serves.</summary>
/// <remarks>The copy is made by the first call that it serves, anew when the weight changed, and dropped by training. Calls on different threads
/// may share it.</remarks>
internal sealed class PackedMap(PackedLinearOptions options) : IDisposable
{
    private readonly ParameterCache<PackedWeight> packed = new();

    /// <summary>x W^T + b.</summary>
    /// <param name="x">(..., I), which the caller has checked.</param>
    /// <param name="weight">(O, I).</param>
    /// <param name="bias">(O), or null.</param>
    /// <param name="isTraining">Whether the module that owns the weight trains: it then sees the whole numbers.</param>
    internal Tensor Apply(Tensor x, Parameter weight, Parameter? bias, bool isTraining)
    {
        if (isTraining)
            Forget(); // its memory is of more use elsewhere
        else if (IsServed(x, weight, bias))
            return FromCopy(x, weight, bias);
        if (!Rounds(weight, isTraining))
            return PackedLinear.Reference(x, weight, bias);
        using var rounded = Rounded(weight);
        return PackedLinear.Reference(x, rounded, bias);
    }

    /// <summary>The weight as calls see it; the caller's.</summary>
    internal Tensor ToDense(Parameter weight, bool isTraining)
    {
        using var frozen = no_grad();
        return Rounds(weight, isTraining) ? Rounded(weight) : weight.clone();
    }

    /// <summary>Drops the copy; the next call that it would serve makes it anew.</summary>
    internal void Forget() => packed.Forget();

    public void Dispose() => packed.Dispose();

    private Tensor FromCopy(Tensor x, Parameter weight, Parameter? bias)
    {
        using var copy = packed.Take([weight], () => PackedWeight.Of(weight, options.Format, SimdWidth.Bits));
        return PackedLinear.Cpu(x, copy.Value, bias);
    }

    private bool Rounds(Parameter weight, bool isTraining) => !isTraining && options.Format == WeightFormat.BFloat16 && weight.dtype == ScalarType.Float32;

    private bool IsServed(Tensor x, Parameter weight, Parameter? bias) =>
        x.dtype == ScalarType.Float32
        && x.numel() <= options.MaxRows * weight.size(1)
        && !RowsAlike.AreAsked
        && KernelSelection.Current == KernelChoice.Cpu
        && x.device_type == DeviceType.CPU
        && weight.device_type == DeviceType.CPU
        && weight.dtype == ScalarType.Float32
        && bias?.dtype is null or ScalarType.Float32
        && ParameterVersion.IsCounted(weight) // else it would be packed in every call
        && !(is_grad_enabled() && (x.requires_grad || weight.requires_grad || bias?.requires_grad == true));

    private static Tensor Rounded(Parameter weight)
    {
        using var narrow = weight.to(ScalarType.BFloat16);
        return narrow.to(weight.dtype);
    }
}

/// <summary>Options of the packed linear.</summary>
public sealed class PackedLinearOptions
{
    /// <summary>How the weights are kept for inference. Default bfloat16; training always sees float32.</summary>
    public WeightFormat Format { get; set; } = WeightFormat.BFloat16;

    /// <summary>Most rows of a call that go through the packed weights; longer calls take the library's product. Default 16.</summary>
    [Range(0, 1024)]
    public int MaxRows { get; set; } = 16;
}

/// <summary>How a weight's numbers are kept for inference.</summary>
public enum WeightFormat
{
    /// <summary>As they are, 4 bytes each.</summary>
    Full,

    /// <summary>Rounded to bfloat16, 2 bytes each: half the memory traffic, weights exact to 1 part in 256.</summary>
    BFloat16,
}
