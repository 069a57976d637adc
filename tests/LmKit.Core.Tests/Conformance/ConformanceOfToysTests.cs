using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The sampler laws on a sampler that draws uniformly.</summary>
public class UniformSamplerTests : SamplerConformance
{
    protected override long VocabSize => 5;

    protected override ISampler Create() => new UniformSampler(VocabSize);

    protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length) =>
        (new UniformSampler(1), cat([prompt, zeros(prompt.size(0), length, dtype: ScalarType.Int64)], 1));
}

/// <summary>The dictionary laws on a linear dictionary.</summary>
public class LinearDictionaryTests : FeatureDictionaryConformance
{
    protected override long FeatureCount => 6;

    protected override long ModelDim => 4;

    protected override double? ActiveLimit => 6;

    protected override IDictionary Create(ScalarType dtype) => new LinearDictionary(FeatureCount, ModelDim, dtype);
}

/// <summary>The kernel laws on a running sum of products.</summary>
public class RunningSumKernelTests : KernelConformance
{
    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference { get; } = inputs => (inputs[0] * inputs[1]).cumsum(-1);

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast { get; } = inputs =>
    {
        using var scope = NewDisposeScope();
        var length = inputs[0].size(-1);
        var lower = ones(length, length, inputs[0].dtype).tril();
        return nn.functional.linear(inputs[0] * inputs[1], lower).MoveToOuterDisposeScope();
    };

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
        [randn([2, 3, length], dtype, generator: random), randn([2, 3, length], dtype, generator: random)];
}
