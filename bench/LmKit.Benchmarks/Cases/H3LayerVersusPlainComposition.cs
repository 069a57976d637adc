using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>An H3 layer against the published composition of library operations: every power of A-bar as a complex exponential,
/// both convolutions by FFT with automatic differentiation, the skips as terms of their own.</summary>
internal static class H3LayerVersusPlainComposition
{
    private const long _modelDim = 256;
    private const long _length = 2048;
    private const long _batch = 4;

    public static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"H3 layer forward d={_modelDim} L={_length} B={_batch}", Target: 4, TunedTarget: 4, random => Prepare(random, isTraining: false)),
        new($"H3 layer forward+backward d={_modelDim} L={_length} B={_batch}", Target: 3, TunedTarget: 3, random => Prepare(random, isTraining: true)),
    ];

    private static RatioSides Prepare(Generator random, bool isTraining)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = _modelDim, LayerCount = 1 };
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        var weights = mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var x = randn(_batch, _length, _modelDim, generator: random);
        return new RatioSides(() => Run(input => Plain(input, weights)), () => Run(input => mixer.call(input, null)), mixer, x);

        Tensor[] Run(Func<Tensor, Tensor> layer)
        {
            if (!isTraining)
            {
                using var frozen = no_grad();
                return [layer(x)];
            }
            var input = x.detach().requires_grad_(true);
            var y = layer(input);
            return [y, .. autograd.grad([y.square().sum()], [input, .. weights.Values])];
        }
    }

    private static Tensor Plain(Tensor x, Dictionary<string, Tensor> weights)
    {
        var (q, k, v) = (Linear("q_proj"), Linear("k_proj"), Linear("v_proj")); // (B, D, L)
        var shifted = Convolve(k, ShiftKernel()) + weights["ssm_k_D"].unsqueeze(-1) * k;
        var product = shifted * v;
        var y = q * (Convolve(product, DiagonalKernel()) + weights["D"].unsqueeze(-1) * product);
        return nn.functional.linear(y.transpose(1, 2), weights["output_linear.weight"], weights["output_linear.bias"]);

        Tensor Linear(string name) => nn.functional.linear(x, weights[$"{name}.weight"], weights[$"{name}.bias"]).transpose(1, 2);

        Tensor ShiftKernel()
        {
            var size = 2 * weights["ssm_k_kernel.kernel.B"].size(1);
            var spectrum = fft.rfft(weights["ssm_k_kernel.kernel.B"], size).conj() * fft.rfft(weights["ssm_k_kernel.kernel.C"][0], size);
            return fft.irfft(spectrum, size).narrow(1, 0, size / 2);
        }

        Tensor DiagonalKernel()
        {
            var dt = weights["kernel.kernel.log_dt"].exp().unsqueeze(-1);
            var half = complex(-weights["kernel.kernel.inv_A_real"].exp(), weights["kernel.kernel.A_imag"]) * dt / 2; // (H, n)
            var c = view_as_complex(weights["kernel.kernel.C"][0]) * view_as_complex(weights["kernel.kernel.B"]) * dt / (1 - half);
            var powers = (((1 + half) / (1 - half)).log().unsqueeze(-1) * arange(_length)).exp();                   // (H, n, L)
            return (c.unsqueeze(-1) * powers).sum(1).real * 2;
        }
    }

    private static Tensor Convolve(Tensor u, Tensor kernel)
    {
        var size = 2 * _length;
        return fft.irfft(fft.rfft(u, size) * fft.rfft(kernel, size), size).narrow(2, 0, _length);
    }
}
