using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The decoder's product over kept features only: y_i = sum_j a_ij d_j (B, D).</summary>
/// <remarks>Forward gathers decoder rows, backward gathers the gradient's rows: each costs N D instead of B F D. Equal to the reference,
/// which multiplies by all features, within the roundings of float32; sums do not depend on the number of threads. The CPU form serves
/// float32.</remarks>
internal static partial class KeptDecoding
{
    /// <summary>Decodes.</summary>
    /// <param name="values">Codes (N) of the kept entries.</param>
    /// <param name="decoder">Decoder rows (F, D).</param>
    /// <param name="kept">Where the codes stand.</param>
    internal static Tensor Run(Tensor values, Tensor decoder, KeptFeatures kept)
    {
        var check = new TensorCheck(nameof(KeptDecoding));
        check.Bind("N", kept.Count);
        check.Bind("F", kept.FeatureCount);
        check.Floating(values, nameof(values), "N");
        check.Floating(decoder, nameof(decoder), "F D");
        return KernelSelection.Current == KernelChoice.Cpu && values.dtype == ScalarType.Float32 && values.device_type == DeviceType.CPU
            ? KernelFunction.Run([values, decoder], () => Cpu(values, decoder, kept), (gradient, inputs) => CpuBackward(gradient, inputs[0], inputs[1], kept))
            : Reference(values, decoder, kept);
    }
}
