using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class SampleJudgeTests
{
    private static readonly SampleJudge _judge = new(new Dictionary<string, double> { ["0"] = 1 }, 1);

    [Fact]
    public void Samples_are_drawn_on_the_device_that_is_named()
    {
        var sampler = new Grids(2);
        QualityCurve.Measure("one", _ => sampler, [4], _judge, 3, 5, 0, META);
        Assert.Equal(DeviceType.META, sampler.Seen);
        _judge.Measure(sampler, 4, 3, 5, 0);
        Assert.Equal(DeviceType.CPU, sampler.Seen);
    }

    [Fact]
    public void A_sampler_that_fails_leaves_no_grid_behind() =>
        Assert.Throws<InvalidOperationException>(() => _judge.Measure(new Grids(2, fails: true), 4, 3, 5, 0));

    [Fact]
    public void A_chain_knows_its_own_entropy_per_token()
    {
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(GoldenSource.Repository.Root!, "diffusion", "toy_chain_v8.safetensors"));
        var chain = ToyTeacher.Chain();

        Assert.Equal(reader.Read("nll_per_token").item<double>(), chain.EntropyPerToken(ToyTeacher.Length), 1e-7);
        Assert.Equal(reader.Read("entropy_rate").item<double>(), chain.EntropyPerToken(2) * 2 - chain.EntropyPerToken(1), 1e-7); // it starts stationary
    }

    private sealed class Grids(int count, bool fails = false) : ISampler
    {
        internal DeviceType? Seen { get; private set; }

        public IEnumerable<Tensor> Sample(Tensor prompt, long length, Generator? random = null)
        {
            Seen = prompt.device_type;
            for (var k = 0; k < count; k++)
                yield return zeros([prompt.size(0), length], ScalarType.Int64).DetachFromDisposeScope();
            if (fails)
                throw new InvalidOperationException("as asked");
        }
    }
}
