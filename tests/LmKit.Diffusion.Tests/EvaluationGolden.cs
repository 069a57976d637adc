using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The golden checks of the metrics and the toy chains.</summary>
internal static class EvaluationGolden
{
    internal static void Metrics(GoldenCase golden)
    {
        var tokens = golden.Tensor("tokens");
        Close.Check("entropy", golden.Tensor("entropy"), tensor(TokenEntropy.PerSample(tokens).ToArray()), absolute: 1e-6);
        golden.Check("entropy_mean", TokenEntropy.Mean(tokens), 1e-6);

        var samples = golden.Tensor("ppl_tokens");
        var counted = GenerativePerplexity.Counted(samples, golden.Options.Whole("eos"));
        Close.Check("ppl_weight", golden.Tensor("ppl_weight").to(ScalarType.Int64), counted.to(ScalarType.Int64));
        var logits = golden.Tensor("ppl_logits").narrow(1, 0, samples.size(1) - 1);
        var losses = logits.log_softmax(-1).gather(-1, samples.narrow(1, 1, samples.size(1) - 1).unsqueeze(-1)).squeeze(-1).neg();
        golden.Check("ppl", GenerativePerplexity.Of(losses, counted), 1e-9);
    }

    internal static void Chain(GoldenCase golden)
    {
        var chain = new MarkovChain(golden.Tensor("P"), golden.Tensor("pi"));
        var (length, symbols) = ((int)golden.Options.Whole("L"), golden.Tensor("pi").size(0));
        using var random = new Generator(1);
        var samples = chain.Sample(4096, length, random);
        var exact = chain.NgramShares(3, length);

        Assert.Equal(1, exact.Values.Sum(), 1e-9);
        golden.Check("nll_per_token", chain.LossPerToken(samples).Average(), 0.02);
        // What counts of so many trigrams of so many kinds are off by chance.
        Assert.InRange(NgramDivergence.Between(NgramDivergence.Shares(samples, 3), exact), 0, Math.Pow(symbols, 3) / (2.0 * samples.size(0) * (length - 2)));
        golden.Check("entropy_rate", EntropyRate(golden.Tensor("P"), golden.Tensor("pi")), 1e-6);

        // The expected loss in closed form: the first token's entropy, then the entropy of what follows each place.
        var loss = ExpectedLoss(golden.Tensor("P"), golden.Tensor("pi"), length);
        golden.Check("nll_per_token", loss, 1e-6);
        golden.Check("nll_per_token", chain.EntropyPerToken(length), 1e-6);
    }

    // Of what follows each place; the start is the stationary distribution.
    private static double EntropyRate(Tensor transition, Tensor start) =>
        (transition * transition.clamp(min: 1e-300).log()).sum(-1).neg().dot(start).item<double>();

    private static double ExpectedLoss(Tensor transition, Tensor start, int length)
    {
        static Tensor Entropy(Tensor shares) => (shares * shares.clamp(min: 1e-300).log()).sum(-1).neg();
        var (total, here) = (Entropy(start).item<double>(), start);
        for (var place = 1; place < length; place++)
        {
            total += (here * Entropy(transition)).sum().item<double>();
            here = transition.t().mv(here);
        }
        return total / length;
    }

    /// <summary>A teacher loads by its published names; it samples its chain, better with more steps, down to near the chain's own perplexity.</summary>
    internal static void Teacher(GoldenCase golden)
    {
        using var transformer = TransformerGolden.Load(golden, string.Empty);
        var (maskId, length) = (golden.Options.Whole("mask"), (int)golden.Options.Whole("L"));
        var chain = ChainOf(golden, transformer.VocabSize - 1);
        var own = Math.Exp(chain.EntropyPerToken(length));
        // For the published teacher the perplexities that were measured for it; another one has to come within a third of its chain.
        (int Steps, int Count, double Low, double High)[] figures = golden.Name == "toy_teacher_v8"
            ? [(1, 512, 45.0, 66.0), (8, 1024, 3.8, 4.3), (32, 512, 2.9, 3.5)]
            : [(32, 512, 0.9 * own, 1.35 * own)];
        foreach (var (steps, count, low, high) in figures)
        {
            var sampler = new AncestralSampler(new LanguageModelDenoiser(transformer, maskId), new DiffusionSamplerOptions { StepCount = steps });
            using var last = Draws.Last(sampler, zeros([count, 0], ScalarType.Int64), length, 7);
            golden.Within($"perplexity in {steps} steps", chain.Perplexity(last), low, high);
            if (golden.Name == "toy_teacher_v8")
                golden.Within($"entropy in {steps} steps", TokenEntropy.Mean(last), 1.66, 1.78);
        }
    }

    // The chain that a teacher of so many symbols learned: beside it, or else in the repository.
    private static MarkovChain ChainOf(GoldenCase golden, long symbols)
    {
        var name = $"toy_chain_v{symbols}.safetensors";
        var path = new[] { Path.GetDirectoryName(golden.Path)!, GoldenSource.Repository.PathOf("diffusion") }.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new FileNotFoundException($"{golden.Path} is a teacher of {symbols} symbols, which is judged by its chain; put {name} beside it.");
        using var reader = new SafetensorsReader(path);
        return new MarkovChain(reader.Read("P"), reader.Read("pi"));
    }
}
