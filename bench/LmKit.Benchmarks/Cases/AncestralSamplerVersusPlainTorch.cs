using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Sampling by masked diffusion with `AddAncestralSampler`'s defaults (float64 draws), against the official code written out in
/// library operations (float32 draws), on the same network: one text of 256 tokens of a vocabulary of 50,258, whole walks and single steps.</summary>
/// <remarks>
/// <para>The plain side is what the official sampler does at a step: logits of all positions, the mask's logit and revealed positions
/// replaced in place, transition weights, a Gumbel draw over the whole vocabulary, revealed tokens kept. The network's blocks are the
/// library's on both sides, so that only what is around them is compared.</para>
/// <para>Agreement: given the same uniform numbers, both sides walk through the same grids. Timed, each draws its own.</para>
/// </remarks>
internal static class AncestralSamplerVersusPlainTorch
{
    private const long vocabSize = 50_258;
    private const long maskId = vocabSize - 1;
    private const long length = 256;
    private const int steps = 4;
    private const double endTime = 1e-5;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Case("ancestral sampler", 1, (denoiser, schedule) => new AncestralSampler(denoiser, Options(), schedule)),
        Case("cached ancestral sampler", 1, (denoiser, schedule) => new CachedAncestralSampler(denoiser, new CachedAncestralSamplerOptions { StepCount = steps, RevealsByTime = false }, schedule)),
        Case("sparse ancestral sampler", 1, (denoiser, schedule) => new SparseAncestralSampler(denoiser, Options(), schedule)) with { IsSameComputation = false },
    ];

    private static DiffusionSamplerOptions Options() => new() { StepCount = steps };

    private static RatioCase Case(string name, double target, Func<IDenoiser, NoiseSchedule, DiffusionSampler> make) =>
        new($"{name} vs plain torch: {steps} steps, {length} tokens of {vocabSize}, DiT 4 x 256", target, target, random => Prepare(random, make));

    private static RatioSides Prepare(Generator random, Func<IDenoiser, NoiseSchedule, DiffusionSampler> make)
    {
        using var frozen = no_grad();
        var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = vocabSize, ModelDim = 256, LayerCount = 4, HeadCount = 4, DropoutRate = 0 });
        transformer.eval();
        foreach (var (_, parameter) in transformer.named_parameters().Where(pair => pair.parameter.abs().max().item<float>() == 0))
            parameter.copy_(randn(parameter.shape, generator: random) * 0.02); // a new transformer's logits are all zero
        var schedule = new LogLinearSchedule();
        var sampler = make(new LanguageModelDenoiser(transformer, maskId), schedule);
        var prompt = zeros([1, 0], ScalarType.Int64);
        var replayed = 0;
        return new RatioSides(() => [replayed++ == 0 ? Plain(Fixed()) : Plain(null)], () => [replayed++ <= 1 ? Last(sampler.Replay(prompt, length, Fixed())) : Last(sampler.Sample(prompt, length, random))], transformer, prompt);

        // The same numbers on both sides, a fresh (B, L, V) at each step.
        UniformSource Fixed()
        {
            var source = new Generator(11);
            return shape => rand(shape, ScalarType.Float32, generator: source);
        }

        Tensor Plain(UniformSource? uniforms)
        {
            using var quiet = no_grad();
            using var scope = NewDisposeScope();
            var tokens = full(1, length, maskId, ScalarType.Int64);
            for (var step = 0; step < steps; step++)
            {
                using var inner = NewDisposeScope();
                var (before, after) = (schedule.Alpha(Time(step)), schedule.Alpha(Time(step + 1)));
                var weights = LogProbabilities(transformer, tokens).exp_().mul_(after - before);
                weights.select(-1, maskId).fill_(1 - after);
                tokens = Keep(tokens, Gumbel(weights, uniforms is null ? rand(weights.shape) : uniforms(weights.shape))).MoveToOuterDisposeScope();
            }

            using var last = NewDisposeScope();
            return Keep(tokens, LogProbabilities(transformer, tokens).argmax(-1)).MoveToOuterDisposeScope().MoveToOuterDisposeScope();
        }
    }

    private static double Time(int step) => 1 - step * (1 - endTime) / steps;

    // SUBS, in place: no mask, and all weight on the token of a revealed position.
    private static Tensor LogProbabilities(LanguageModel transformer, Tensor tokens)
    {
        var logits = transformer.call(tokens, new SequenceContext { Level = zeros(1) }); // (1, L, V)
        logits.select(-1, maskId).add_(-1e6);
        logits.sub_(logits.logsumexp(-1, keepdim: true));
        var revealed = tokens.ne(maskId).view(-1).nonzero().squeeze(1); // (R)
        var rows = logits.view(-1, vocabSize);
        rows.index_fill_(0, revealed, -1e6);
        rows.index_put_(zeros(1), revealed, tokens.view(-1).index_select(0, revealed));
        return logits;
    }

    private static Tensor Gumbel(Tensor weights, Tensor uniforms) =>
        weights.div_(uniforms.add_(1e-10).log_().neg_().add_(1e-10)).argmax(-1);

    private static Tensor Keep(Tensor tokens, Tensor drawn) => where(tokens.eq(maskId), drawn, tokens);

    private static Tensor Last(IEnumerable<Tensor> grids)
    {
        Tensor? last = null;
        foreach (var grid in grids)
        {
            last?.Dispose();
            last = grid;
        }

        return last!;
    }
}
