using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>Losses, rewards, steps and samplers on half precision against float64 on the same rounded numbers.</summary>
[NoTensorLeak]
public sealed class HalfPrecisionTests
{
    private const long Mask = 40;
    private const double Allowed = 2e-5;

    public static TheoryData<ScalarType> Dtypes => [ScalarType.Float16, ScalarType.BFloat16];

    [Theory]
    [MemberData(nameof(Dtypes))]
    public void Every_term_of_a_loss_is_summed_in_single_precision(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        var (first, second) = ((Random(1, 20, 200, 41) * 2).log_softmax(-1).to(dtype), (Random(2, 20, 200, 41) * 2).log_softmax(-1).to(dtype));
        var (scores, others) = ((Random(3, 20, 200, 1) * 4).to(dtype), (Random(4, 20, 200, 1) * 4).to(dtype));
        var (weight, rewards, isMasked) = ((Random(5, 20).abs() + .1).to(dtype), (Random(6, 20) * 3).to(dtype), Random(7, 20, 200).gt(0));
        var (tokens, chances, shares) = (randint(0, Mask, [20, 200], dtype: ScalarType.Int64), (Random(8, 20).abs() * -90).to(dtype), (Random(9, 20, 200).abs() * .01).to(dtype));
        (string Name, Func<Tensor, Tensor> Make)[] Terms() =>
        [
            ("KL", _ => DistillationLosses.KullbackLeibler(Of(first), Of(second), isMasked)),
            ("entropy", _ => DistillationLosses.Entropy(Of(first), isMasked)),
            ("policy", _ => DistillationLosses.PolicyGradient(Of(weight), Of(rewards), Of(chances))),
            ("discriminator", _ => DistillationLosses.Discriminator(Of(scores), Of(others), .1)),
            ("masked discriminator", _ => DistillationLosses.Discriminator(Of(scores), Of(others), .1, isMasked, isMasked)),
            ("reward", _ => DivergenceReward.OfAll(Of(scores))),
            ("masked reward", _ => DivergenceReward.OfMasked(Of(scores), isMasked)),
            ("advantage", _ => GroupedRewardNormalization.Advantages(Of(rewards), 4)),
            ("bound", _ => NegativeElbo.PerToken(Of(first), tokens, weight.to(ScalarType.Float64)).sum()),
            ("smoothed", _ => ScoredDraw.Smoothed(Of(first))),
            ("steps", _ => DiffusionSteps.Ancestral(Of(first), tensor(.3), tensor(.301), Mask)),
            ("score", _ => DiffusionSteps.Score(Of(first), tokens, full(20, 1, 1e-4), Mask)),
            ("truncation", _ => DiffusionTruncation.Apply(Of(first), .37, .9).exp()),
            ("remasking", _ => RemaskingSteps.Weights(Of(first), Of(shares), .3, .301, isMasked, Mask)),
            .. Enum.GetValues<SdttDivergence>().Select(kind => ($"{kind}", (Func<Tensor, Tensor>)(_ => DistillationLosses.Of(kind, Of(first), Of(second), isMasked)))),
        ];
        var isExact = false;
        Tensor Of(Tensor half) => isExact ? half.to(ScalarType.Float64) : half;

        foreach (var (name, make) in Terms())
        {
            isExact = true;
            var expected = make(first);
            isExact = false;
            var actual = make(first);

            Assert.False(actual.dtype is ScalarType.Float16 or ScalarType.BFloat16, $"{name} is {actual.dtype}.");
            Close.Check($"{name} in {dtype}", expected, actual, absolute: name == "smoothed" ? 1e-4 : Allowed, relative: Allowed);
        }
    }

    [Theory]
    [MemberData(nameof(Dtypes))]
    public void The_transformer_tells_keys_apart_however_large_the_scores(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var options = new DiffusionTransformerOptions { VocabSize = 41, ModelDim = 32, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0 };
        using var half = DiffusionTransformer.Build(options, dtype);
        using var exact = DiffusionTransformer.Build(options, ScalarType.Float64);
        using var random = new Generator(3);
        var wide = exact.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        foreach (var (name, parameter) in half.named_parameters())
        {
            parameter.add_((randn(parameter.shape, generator: random) * .2).to(dtype));
            if (name.EndsWith("q_proj.weight", StringComparison.Ordinal) || name.EndsWith("k_proj.weight", StringComparison.Ordinal) || name.EndsWith("v_proj.weight", StringComparison.Ordinal))
                parameter.mul_(60);
            wide[name].copy_(parameter);
        }
        half.eval();
        exact.eval();
        var tokens = randint(0, 41, [2, 60], dtype: ScalarType.Int64, generator: random);
        var level = tensor(new[] { .9999, 3.3 });

        var outputs = TransformerGolden.Call(half, tokens, level);
        Assert.True(outputs.isfinite().all().ToBoolean());
        Close.Check("condition", exact.Conditioning!.call(level), half.Conditioning!.call(level), relativeToLargest: 2e-2);
        if (dtype == ScalarType.BFloat16) // late levels of the log-linear schedule, which bfloat16 itself cannot tell apart
            Assert.False(half.Conditioning!.call(tensor(new[] { 6.891 })).eq(half.Conditioning!.call(tensor(new[] { 6.904 }))).all().ToBoolean());
    }

    [Fact]
    public void Every_sampler_refuses_a_network_whose_output_is_not_a_number_and_names_the_row()
    {
        using var scope = NewDisposeScope();
        var table = zeros(2, 6, 5);
        table[1, 3, 2] = double.NaN;
        var denoiser = new TableDenoiser(table, 4) { IsTimeConditioned = true };
        var options = new DiffusionSamplerOptions { StepCount = 3 };
        foreach (var sampler in new DiffusionSampler[]
        {
            new AncestralSampler(denoiser, options), new CachedAncestralSampler(denoiser, new() { StepCount = 3 }), new SparseAncestralSampler(denoiser, options), new AnalyticSampler(denoiser, options),
            new RemaskingSampler(denoiser, new() { StepCount = 3 }), new ConfidenceSampler(denoiser, new() { StepCount = 3 }), new SemiAutoregressiveSampler(denoiser, new() { StepCount = 3, WindowLength = 6, StrideLength = 6 }),
            new SparseAncestralSampler(new SplitTableDenoiser(table, 4) { IsTimeConditioned = true }, options),
        })
        {
            using var random = new Generator(1);
            var error = Assert.Throws<NotFiniteLogitsException>(() => { foreach (var grid in sampler.Sample(full(2, 6, 4L, ScalarType.Int64), 0, random)) grid.Dispose(); });
            Assert.Equal(1, error.Row);
        }
    }

    [Theory]
    [InlineData(.8, 2)]
    [InlineData(.5, 1)]
    [InlineData(.9, 3)]
    [InlineData(.79, 1)]
    [InlineData(0, 1)]
    public void Top_p_keeps_what_stays_within_p_exactly(double p, int kept)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            var logs = tensor(new[] { .1, .3, .5, .1 }, [1, 1, 4]).log().to(dtype);
            Assert.Equal(kept, DiffusionTruncation.Apply(logs, 1, p).exp().gt(0).sum().item<long>());
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => DiffusionTruncation.Apply(zeros(1, 1, 4), double.NaN, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => DiffusionTruncation.Apply(zeros(1, 1, 4), 0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => DiffusionTruncation.Apply(zeros(1, 1, 4), 1, double.NaN));
    }

    private static Tensor Random(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed);
        return randn(shape, ScalarType.Float64, generator: random);
    }
}
