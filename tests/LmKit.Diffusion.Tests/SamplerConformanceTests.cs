using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>A fixed toy denoiser for the sampler suites: 7 tokens, mask 6, preferences that differ by place.</summary>
public abstract class ToySamplerSuite : SamplerConformance, IDisposable
{
    private const long Mask = 6;
    private readonly Tensor preferences = Preferences();

    private protected TableDenoiser Plain => new(preferences, Mask);

    private protected SplitTableDenoiser Split => new(preferences, Mask);

    protected override long VocabSize => Mask;

    // Temperature 0 is no law here: which places a step reveals stays random.
    protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length) => null;

    public void Dispose()
    {
        preferences.Dispose();
        GC.SuppressFinalize(this);
    }

    private static Tensor Preferences()
    {
        LibTorch.EnsureLoaded();
        using var random = new Generator(3);
        return randn([32, 7], ScalarType.Float64, generator: random);
    }
}

public class AncestralSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new AncestralSampler(Plain, new DiffusionSamplerOptions { StepCount = 6 });
}

public class CachedAncestralSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new CachedAncestralSampler(Plain, new CachedAncestralSamplerOptions { StepCount = 6 });
}

public class AnalyticSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new AnalyticSampler(Plain, new DiffusionSamplerOptions { StepCount = 6 });
}

public class SparseAncestralSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new SparseAncestralSampler(Split, new DiffusionSamplerOptions { StepCount = 6 });
}

public class RemaskingSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new RemaskingSampler(Plain, new RemaskingSamplerOptions { StepCount = 8, Strategy = RemaskingStrategy.Loop });
}

public class ConfidenceRemaskingSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new RemaskingSampler(Plain, new RemaskingSamplerOptions { StepCount = 8, Strategy = RemaskingStrategy.Confidence });
}

public class ForwardBackwardSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new RemaskingSampler(Plain, new RemaskingSamplerOptions { StepCount = 8, Strategy = RemaskingStrategy.ForwardBackward });
}

public class SemiAutoregressiveSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() =>
        new SemiAutoregressiveSampler(Plain, new SemiAutoregressiveSamplerOptions { StepCount = 4, WindowLength = 5, StrideLength = 3 });
}

public class ConfidenceSamplerConformanceTests : ToySamplerSuite
{
    protected override ISampler Create() => new ConfidenceSampler(Plain, new ConfidenceSamplerOptions { StepCount = 6, Threshold = 0.6, IsDrawn = true });
}

/// <summary>Samplers over a language model, which has hook points.</summary>
public abstract class NetworkSamplerSuite : SamplerConformance, IDisposable
{
    private readonly LanguageModel model;

    private protected NetworkSamplerSuite()
    {
        var builder = new LanguageModelBuilder { VocabSize = 7, ModelDim = 8, LayerCount = 2, Dtype = ScalarType.Float64 };
        (builder.Options.IsBidirectional, builder.Options.InitializerRange) = (true, 0.5);
        model = builder.AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
    }

    private protected LanguageModelDenoiser Network => new(model, 6);

    protected override long VocabSize => 6;

    protected override (string Point, Func<Tensor, Tensor> Edit)? Steering => ("layers.0.resid_post", activation =>
        activation + arange(activation.size(1), dtype: activation.dtype).view(1, -1, 1) + arange(activation.size(2), dtype: activation.dtype).remainder(3) * 5);

    protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length) => null;

    public void Dispose()
    {
        model.Dispose();
        GC.SuppressFinalize(this);
    }
}

public class NetworkAncestralSamplerTests : NetworkSamplerSuite
{
    protected override ISampler Create() => new AncestralSampler(Network, new DiffusionSamplerOptions { StepCount = 6 });
}

public class NetworkSparseSamplerTests : NetworkSamplerSuite
{
    protected override ISampler Create() => new SparseAncestralSampler(Network, new DiffusionSamplerOptions { StepCount = 6 });
}

public class NetworkRemaskingSamplerTests : NetworkSamplerSuite
{
    protected override ISampler Create() => new RemaskingSampler(Network, new RemaskingSamplerOptions { StepCount = 8 });
}

public class NetworkSemiAutoregressiveSamplerTests : NetworkSamplerSuite
{
    protected override ISampler Create() => new SemiAutoregressiveSampler(Network, new SemiAutoregressiveSamplerOptions { StepCount = 4, WindowLength = 5, StrideLength = 3 });
}

public sealed class RewardGuidedSamplerConformanceTests : SamplerConformance, IDisposable
{
    private readonly LanguageModel network = ToyTeacher.Load();
    private readonly Discriminator discriminator;

    public RewardGuidedSamplerConformanceTests()
    {
        network.eval();
        discriminator = Discriminator.FromTeacher(network);
        discriminator.eval();
    }

    protected override long VocabSize => ToyTeacher.Mask;

    public void Dispose()
    {
        discriminator.Dispose();
        network.Dispose();
    }

    protected override ISampler Create() =>
        new RewardGuidedSampler(new LanguageModelDenoiser(network, ToyTeacher.Mask), discriminator, new RewardGuidedSamplerOptions { StepCount = 4, CandidateCount = 2, TiltStart = 1, TiltEnd = 2 });

    protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length) => null;
}
