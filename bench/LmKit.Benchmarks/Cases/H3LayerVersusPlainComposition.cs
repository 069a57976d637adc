using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>An H3 layer against the published composition of library operations: every power of A-bar as a complex exponential,
/// both convolutions by FFT with automatic differentiation, the skips as terms of their own.</summary>
/// <remarks>While gradients are recorded both sides make their kernels in every call. Frozen, ours keeps them and the published code does
/// not: those rows say what keeping kernels brings, and <see cref="H3LayerVersusKeptKernels"/> what the rest does.</remarks>
internal static class H3LayerVersusPlainComposition
{
    private const long modelDim = 256;
    private const long length = 2048;
    private const long batch = 4;
    private const long smallLength = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"What kept kernels bring: H3 layer forward vs the published code, which makes its kernels in every call, d={modelDim} L={length} B={batch}", Target: 4, TunedTarget: 4, random => Prepare(random, length, isTraining: false)),
        new($"H3 layer forward+backward d={modelDim} L={length} B={batch}", Target: 3, TunedTarget: 3, random => Prepare(random, length, isTraining: true)),
        new($"What kept kernels bring: H3 mixer core (no linears) forward vs the published code, which makes its kernels in every call, d={modelDim} L={length} B={batch}", Target: 12, TunedTarget: 12, random => PrepareCore(random, isRecorded: false)),
        new($"H3 mixer core (no linears) forward recorded for training d={modelDim} L={length} B={batch}", Target: 12, TunedTarget: 12, random => PrepareCore(random, isRecorded: true)),
    ];

    internal static IReadOnlyList<MemoryCase> MemoryCases { get; } =
    [
        new(
            $"H3 layer forward+backward d={modelDim} L={length} B={batch}",
            Target: 2,
            random => Prepare(random, length, isTraining: true),
            random => Prepare(random, smallLength, isTraining: true)),
    ];

    private static RatioSides Prepare(Generator random, long length, bool isTraining)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        var weights = mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var x = randn(batch, length, modelDim, generator: random);
        return new RatioSides(() => Run(input => Plain(input, weights, hasLinears: true)), () => Run(input => mixer.call(input, null)), mixer, x);

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

    // Frozen, the kernel is kept on our side; while gradients are recorded both sides make it in every call.
    private static RatioSides PrepareCore(Generator random, bool isRecorded)
    {
        var builder = new LanguageModelBuilder { VocabSize = 2, ModelDim = modelDim, LayerCount = 1 };
        builder.Add(PassThroughLinear.Kind);
        var mixer = new H3Mixer(new H3Options(), builder.CreateLayerContext(0, random));
        var weights = mixer.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        var x = randn(batch, length, modelDim, generator: random);
        return new RatioSides(() => Run(() => Plain(x, weights, hasLinears: false)), () => Run(() => mixer.call(x, null)), mixer, x);

        Tensor[] Run(Func<Tensor> core)
        {
            using var recording = set_grad_enabled(isRecorded);
            return [core()];
        }
    }

    // Temporaries are freed where reference counting would free them; what backward needs, libtorch keeps.
    private static Tensor Plain(Tensor x, Dictionary<string, Tensor> weights, bool hasLinears)
    {
        using var q = Linear("q_proj"); // (B, D, L)
        using var k = Linear("k_proj");
        using var v = Linear("v_proj");
        using var shifted = Convolved(k, ShiftKernel(weights), weights["ssm_k_D"]);
        using var product = shifted * v;
        using var summed = Convolved(product, DiagonalKernel(weights, "kernel.", x.size(1)), weights["D"]);
        using var y = q * summed;
        using var rows = y.transpose(1, 2);
        return !hasLinears ? rows.contiguous() : nn.functional.linear(rows, weights["output_linear.weight"], weights["output_linear.bias"]);

        Tensor Linear(string name)
        {
            using var projected = !hasLinears ? x.alias() : nn.functional.linear(x, weights[$"{name}.weight"], weights[$"{name}.bias"]);
            return projected.transpose(1, 2);
        }
    }

    /// <summary>The taps of the shift state space: (D, N).</summary>
    internal static Tensor ShiftKernel(Dictionary<string, Tensor> weights)
    {
        using var scope = NewDisposeScope();
        var size = 2 * weights["ssm_k_kernel.kernel.B"].size(1);
        var spectrum = fft.rfft(weights["ssm_k_kernel.kernel.B"], size).conj() * fft.rfft(weights["ssm_k_kernel.kernel.C"][0], size);
        return fft.irfft(spectrum, size).narrow(1, 0, size / 2).MoveToOuterDisposeScope();
    }

    /// <summary>K_l with every power of A-bar as a complex exponential: (H, length).</summary>
    internal static Tensor DiagonalKernel(Dictionary<string, Tensor> weights, string prefix, long length)
    {
        using var scope = NewDisposeScope();
        using var steps = arange(length);
        var (decay, c) = Discretized(weights, prefix);
        var logarithm = decay.log().unsqueeze(-1);
        using var exponents = logarithm * steps;                                                                  // (H, n, L)
        using var powers = exponents.exp();
        return (bmm(c.unsqueeze(1), powers).squeeze(1).real * 2).MoveToOuterDisposeScope();
    }

    /// <summary>A-bar and C B-bar by the bilinear rule, complex (H, n).</summary>
    internal static (Tensor Decay, Tensor Readout) Discretized(Dictionary<string, Tensor> weights, string prefix)
    {
        using var scope = NewDisposeScope();
        var dt = weights[$"{prefix}kernel.log_dt"].exp().unsqueeze(-1);
        var half = complex(-weights[$"{prefix}kernel.inv_A_real"].exp(), weights[$"{prefix}kernel.A_imag"]) * dt / 2;
        var c = view_as_complex(weights[$"{prefix}kernel.C"][0]) * view_as_complex(weights[$"{prefix}kernel.B"]) * dt / (1 - half);
        return (((1 + half) / (1 - half)).MoveToOuterDisposeScope(), c.MoveToOuterDisposeScope());
    }

    private static Tensor Convolved(Tensor u, Tensor kernel, Tensor skip)
    {
        using var owned = kernel;
        var (length, size) = (u.size(2), 2 * u.size(2));
        using var spectrum = fft.rfft(u, size);
        using var response = fft.rfft(kernel, size);
        using var product = spectrum * response;
        using var padded = fft.irfft(product, size);
        using var sums = padded.narrow(2, 0, length);
        using var weight = skip.unsqueeze(-1);
        using var skipped = weight * u;
        return sums + skipped;
    }
}
