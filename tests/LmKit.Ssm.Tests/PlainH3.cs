using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

/// <summary>The H3 layer written from its formulas in plain differentiable operations: powers of A-bar one by one, transforms padded to twice the length.</summary>
internal static class PlainH3
{
    internal static Tensor Apply(Tensor x, IReadOnlyDictionary<string, Tensor> w, long headDim)
    {
        var (batch, length, width) = (x.size(0), x.size(1), x.size(2));
        var heads = width / headDim;
        Tensor Project(string name, Tensor input) => nn.functional.linear(input, w[$"{name}.weight"], w[$"{name}.bias"]);
        Tensor Split(string name) => Project(name, x).transpose(1, 2).reshape(batch, heads, headDim, length);          // (B, H, P, L)
        var k = Convolve(Project("k_proj", x).transpose(1, 2), ShiftKernel(w["ssm_k_kernel.kernel.B"], w["ssm_k_kernel.kernel.C"][0], length));
        k += w["ssm_k_D"].view(1, -1, 1) * Project("k_proj", x).transpose(1, 2);
        var products = k.reshape(batch, heads, headDim, 1, length) * Split("v_proj").unsqueeze(2);                       // (B, H, P, P, L)
        var kernel = DiagonalKernel(w, length).view(1, heads, 1, 1, length);
        var sums = Convolve(products, kernel) + w["D"].view(1, heads, 1, 1, 1) * products;
        var mixed = (Split("q_proj").unsqueeze(3) * sums).sum(2).reshape(batch, width, length).transpose(1, 2);           // head-major
        return Project("output_linear", mixed);
    }

    private static Tensor Convolve(Tensor u, Tensor kernel)
    {
        var length = u.size(-1);
        return fft.irfft(fft.rfft(u, 2 * length) * fft.rfft(kernel, 2 * length), 2 * length).narrow(-1, 0, length);
    }

    // f_j = sum over m of B[m] C[m + j].
    private static Tensor ShiftKernel(Tensor B, Tensor C, long length)
    {
        var count = B.size(1);
        var taps = Enumerable.Range(0, (int)Math.Min(count, length)).Select(j => (B.narrow(1, 0, count - j) * C.narrow(1, j, count - j)).sum(1));
        var kernel = stack([.. taps], 1);
        return nn.functional.pad(kernel, [0, length - kernel.size(1)]);
    }

    // K_l = 2 Re sum over n of C B-bar A-bar^l, bilinear.
    private static Tensor DiagonalKernel(IReadOnlyDictionary<string, Tensor> w, long length)
    {
        var dt = w["kernel.kernel.log_dt"].exp().unsqueeze(-1);                                                         // (H, 1)
        var a = complex(-w["kernel.kernel.inv_A_real"].exp(), w["kernel.kernel.A_imag"]);                               // (H, n)
        var (decay, b) = ((1 + a * dt / 2) / (1 - a * dt / 2), view_as_complex(w["kernel.kernel.B"]) * dt / (1 - a * dt / 2));
        var (taps, power) = (new List<Tensor>(), view_as_complex(w["kernel.kernel.C"][0]) * b);
        for (var l = 0L; l < length; l++)
        {
            taps.Add(power.sum(1).real * 2);
            power *= decay;
        }
        return stack([.. taps], 1);
    }
}
