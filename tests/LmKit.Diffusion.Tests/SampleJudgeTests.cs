using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class SampleJudgeTests
{
    private static readonly SampleJudge judge = new(new Dictionary<string, double> { ["0"] = 1 }, 1);

    [Fact]
    public void Samples_are_drawn_on_the_device_that_is_named()
    {
        var sampler = new Grids(2);
        QualityCurve.Measure("one", _ => sampler, [4], judge, 3, 5, 0, META);
        Assert.Equal(DeviceType.META, sampler.Seen);
        judge.Measure(sampler, 4, 3, 5, 0);
        Assert.Equal(DeviceType.CPU, sampler.Seen);
    }

    [Fact]
    public void A_sampler_that_fails_leaves_no_grid_behind() =>
        Assert.Throws<InvalidOperationException>(() => judge.Measure(new Grids(2, fails: true), 4, 3, 5, 0));

    [Fact]
    public void A_chain_knows_its_own_entropy_per_token()
    {
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(GoldenSource.Repository.Root!, "diffusion", "toy_chain_v8.safetensors"));
        var chain = ToyTeacher.Chain();

        Assert.Equal(reader.Read("nll_per_token").item<double>(), chain.EntropyPerToken(ToyTeacher.Length), 1e-7);
        Assert.Equal(reader.Read("entropy_rate").item<double>(), chain.EntropyPerToken(2) * 2 - chain.EntropyPerToken(1), 1e-7); // it starts stationary
    }

    [Fact]
    public void Each_figure_has_the_error_that_other_samples_show()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(11);
        var chain = ToyTeacher.Chain();
        var judge = SampleJudge.Of(chain, ToyTeacher.Length, 2);
        var flat = tensor(new[] { 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05 });
        var judged = Enumerable.Range(0, 60).Select(_ => judge.Judge(multinomial(flat.expand(150, 8), 16, replacement: true, generator: random), 1)).ToArray();
        Check(quality => quality.Perplexity!.Value, quality => quality.PerplexityError);
        Check(quality => quality.Divergence, quality => quality.DivergenceError);
        Check(quality => quality.Entropy, quality => quality.EntropyError);
        Assert.Contains("+- ", QualityCurve.Table([new QualityCurve("one", judged[..1])]), StringComparison.Ordinal);
        Assert.Contains("150 samples", judged[0].ToString(), StringComparison.Ordinal);

        void Check(Func<SampleQuality, double> figure, Func<SampleQuality, double> error)
        {
            var mean = judged.Average(figure);
            var scatter = Math.Sqrt(judged.Sum(quality => Math.Pow(figure(quality) - mean, 2)) / (judged.Length - 1));
            Assert.InRange(judged.Average(error) / scatter, 0.75, 1.35); // 60 values tell a scatter to 9 %
        }
    }

    private sealed class Grids(int count, bool fails = false) : ISampler
    {
        internal DeviceType? Seen { get; private set; }

        public IEnumerable<Tensor> Sample(SampleRequest request)
        {
            var (prompt, length) = (request.Prompt, request.Length);
            Seen = prompt.device_type;
            for (var k = 0; k < count; k++)
                yield return zeros([prompt.size(0), length], ScalarType.Int64).DetachFromDisposeScope();
            if (fails)
                throw new InvalidOperationException("as asked");
        }
    }
}
