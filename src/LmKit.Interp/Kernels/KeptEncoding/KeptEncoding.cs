using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The codes of kept features, f(x_i e_j + b_j) with x_i an input less the decoder's bias and f the rectifier or nothing.</summary>
/// <remarks>Forward takes values that a full product has made, because the choice needs all of them; backward costs N D instead of
/// B F D. Equal to the reference within the roundings of float32; sums do not depend on the number of threads. The CPU form serves
/// float32.</remarks>
/// <param name="Kept">Where the codes stand.</param>
/// <param name="Rectifies">Whether f is the rectifier; its slope at 0 is 0.</param>
/// <param name="IsCentred">Whether the decoder's bias has been taken from the input.</param>
internal sealed partial record KeptEncoding(KeptFeatures Kept, bool Rectifies, bool IsCentred)
{
    /// <summary>The codes (N).</summary>
    /// <param name="dense">f of all pre-activations (B, F), as values.</param>
    /// <param name="centred">Inputs x (B, D), as values.</param>
    /// <param name="encoder">Columns e (D, F).</param>
    /// <param name="encoderBias">b (F), or null.</param>
    /// <param name="decoderBias">(D); gets its gradient through the inputs if they were centred.</param>
    internal Tensor Run(Tensor dense, Tensor centred, Tensor encoder, Tensor? encoderBias, Tensor decoderBias)
    {
        var check = new TensorCheck(nameof(KeptEncoding));
        check.Bind("B", Kept.RowCount);
        check.Bind("F", Kept.FeatureCount);
        check.Floating(dense, nameof(dense), "B F");
        check.Floating(centred, nameof(centred), "B D");
        check.Floating(encoder, nameof(encoder), "D F");
        if (encoderBias is not null)
            check.Floating(encoderBias, nameof(encoderBias), "F");
        check.Floating(decoderBias, nameof(decoderBias), "D");
        Tensor[] inputs = encoderBias is null ? [centred.detach(), encoder, decoderBias] : [centred.detach(), encoder, decoderBias, encoderBias];
        if (KernelSelection.Current != KernelChoice.Cpu || dense.dtype != ScalarType.Float32 || dense.device_type != DeviceType.CPU)
            return Reference(centred, encoder, encoderBias, decoderBias);
        var values = Gather(dense);
        var slopes = Rectifies ? values.Select(value => value > 0).ToArray() : null;
        return KernelFunction.Run(inputs, () => tensor(values), (gradient, given) => CpuBackward(gradient, slopes, given));
    }
}
