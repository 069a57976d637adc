using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>A frozen H3 layer against what serves it well in library operations: kernels made once, the shift convolution as a depthwise
/// conv1d, one FFT convolution with a spectrum made once, the skips folded into both kernels.</summary>
internal static class H3LayerVersusKeptKernels
{
    private const long modelDim = 256;
    private const long length = 2048;
    private const long batch = 4;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"H3 layer vs conv1d and FFT, kernels kept on both sides: forward d={modelDim} L={length} B={batch}", 1, 1, random => Prepare(random, hasLinears: true)),
        new($"H3 mixer core (no linears) vs conv1d and FFT, kernels kept on both sides: forward d={modelDim} L={length} B={batch}", 1.5, 1.5, random => Prepare(random, hasLinears: false)),
    ];

    private static RatioSides Prepare(Generator random, bool hasLinears)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        if (!hasLinears)
            builder.Add(PassThroughLinear.Kind);

        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        mixer.eval();
        var weights = mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var x = randn(batch, length, modelDim, generator: random);
        var (taps, response) = Kept(weights);
        return new RatioSides(() => Frozen(Plain), () => Frozen(() => mixer.call(x, null)), mixer, x, taps, response);

        // (B, D, L) throughout, as the FFT and conv1d read it: the projections are W x^T, which costs no turning.
        Tensor Plain()
        {
            using var columns = x.transpose(1, 2);
            using var q = Project("q_proj", columns);
            using var v = Project("v_proj", columns);
            using var product = Shifted(v, columns);
            using var summed = Convolved(product);
            using var y = summed * q;
            using var projected = Project("output_linear", y);
            return projected.transpose(1, 2);
        }

        // Padded before: conv1d's own padding takes a path that is twelve times slower.
        Tensor Shifted(Tensor v, Tensor columns)
        {
            using var k = Project("k_proj", columns);
            using var padded = nn.functional.pad(k, [taps.size(2) - 1, 0]);
            return nn.functional.conv1d(padded, taps, groups: modelDim).mul_(v);
        }

        Tensor Convolved(Tensor u)
        {
            using var spectrum = fft.rfft(u, 2 * length);
            using var product = spectrum.mul_(response);
            using var padded = fft.irfft(product, 2 * length);
            return padded.narrow(2, 0, length);
        }

        Tensor Project(string name, Tensor input)
        {
            if (!hasLinears)
                return input.contiguous();

            using var bias = weights[$"{name}.bias"].unsqueeze(-1);
            return matmul(weights[$"{name}.weight"], input).add_(bias);
        }
    }

    // The shift kernel as conv1d takes it, (D, 1, N) with the last tap first, and the spectrum of the long kernel, (D, L + 1).
    private static (Tensor Taps, Tensor Response) Kept(Dictionary<string, Tensor> weights)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var taps = H3LayerVersusPlainComposition.ShiftKernel(weights);
        taps.select(1, 0).add_(weights["ssm_k_D"]);
        var kernel = H3LayerVersusPlainComposition.DiagonalKernel(weights, "kernel.", length);
        kernel.select(1, 0).add_(weights["D"]);
        return (taps.flip(1).unsqueeze(1).contiguous().DetachFromDisposeScope(), fft.rfft(kernel, 2 * length).DetachFromDisposeScope());
    }

    private static Tensor[] Frozen(Func<Tensor> side)
    {
        using var frozen = no_grad();
        return [side()];
    }
}
