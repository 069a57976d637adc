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
        Assert.Equal(golden.Number("entropy_mean"), TokenEntropy.Mean(tokens), 1e-6);

        var samples = golden.Tensor("ppl_tokens");
        var counted = GenerativePerplexity.Counted(samples, 3);
        Close.Check("ppl_weight", golden.Tensor("ppl_weight").to(ScalarType.Int64), counted.to(ScalarType.Int64));
        var logits = golden.Tensor("ppl_logits").narrow(1, 0, samples.size(1) - 1);
        var losses = logits.log_softmax(-1).gather(-1, samples.narrow(1, 1, samples.size(1) - 1).unsqueeze(-1)).squeeze(-1).neg();
        Assert.Equal(golden.Number("ppl"), GenerativePerplexity.Of(losses, counted), 1e-9);
    }

    internal static void Chain(GoldenCase golden)
    {
        var chain = new MarkovChain(golden.Tensor("P"), golden.Tensor("pi"));
        var length = int.Parse(golden.Metadata["L"], System.Globalization.CultureInfo.InvariantCulture);
        using var random = new Generator(1);
        var samples = chain.Sample(4096, length, random);
        var exact = chain.NgramShares(3, length);

        Assert.Equal(1, exact.Values.Sum(), 1e-9);
        Assert.Equal(golden.Number("nll_per_token"), chain.LossPerToken(samples).Average(), 0.02);
        Assert.InRange(NgramDivergence.Between(NgramDivergence.Shares(samples, 3), exact), 0, 0.004);

        // The expected loss in closed form: the first token's entropy, then the entropy of what follows each place.
        var loss = ExpectedLoss(golden.Tensor("P"), golden.Tensor("pi"), length);
        Assert.Equal(golden.Number("nll_per_token"), loss, 1e-6);
    }

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

    /// <summary>The teacher loads by its published names; few and many steps give the perplexities measured for it.</summary>
    internal static void Teacher(GoldenCase golden)
    {
        using var transformer = TransformerGolden.Load(golden, string.Empty);
        var chain = Chain8(golden.Path);
        var denoiser = new TransformerDenoiser(transformer, 8);
        if (chain is null)
            return;
        foreach (var (steps, count, low, high) in new[] { (1, 512, 45.0, 66.0), (8, 1024, 3.8, 4.3), (32, 512, 2.9, 3.5) })
        {
            var sampler = new AncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = steps });
            using var last = Draws.Last(sampler, zeros([count, 0], ScalarType.Int64), 16, 7);
            Assert.InRange(chain.Perplexity(last), low, high);
            Assert.InRange(TokenEntropy.Mean(last), 1.66, 1.78);
        }
    }

    internal static MarkovChain? Chain8(string beside)
    {
        var path = Path.Combine(Path.GetDirectoryName(beside)!, "toy_chain_v8.safetensors");
        if (!File.Exists(path))
            return null;
        using var reader = new SafetensorsReader(path);
        return new MarkovChain(reader.Read("P"), reader.Read("pi"));
    }
}
