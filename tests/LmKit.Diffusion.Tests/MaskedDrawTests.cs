using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class MaskedDrawTests
{
    private static readonly Func<IDenoiser, DiffusionSampler>[] samplers =
    [
        denoiser => new AncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 4 }),
        denoiser => new CachedAncestralSampler(denoiser, new CachedAncestralSamplerOptions { StepCount = 4 }),
        denoiser => new SemiAutoregressiveSampler(denoiser, new SemiAutoregressiveSamplerOptions { StepCount = 4, WindowLength = 12, StrideLength = 12 }),
        denoiser => new ConfidenceSampler(denoiser, new ConfidenceSamplerOptions { StepCount = 4, Threshold = 1, IsDrawn = true }),
    ];

    public static TheoryData<int> Samplers => [.. Enumerable.Range(0, samplers.Length)];

    [Theory]
    [MemberData(nameof(Samplers))]
    public void The_vocabulary_is_asked_for_at_masked_positions_alone(int which)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var denoiser = new SplitTableDenoiser(randn([12, 9], ScalarType.Float64, generator: random), 8);
        var (masked, before) = (0L, 24L);
        foreach (var grid in samplers[which](denoiser).Sample(zeros([2, 0], ScalarType.Int64), 12, random))
        {
            masked += before;
            before = grid.eq(8).sum().item<long>();
            grid.Dispose();
        }
        Assert.Equal(0, denoiser.CallCount);
        Assert.InRange(denoiser.RowCount, 1, masked);
        Assert.True(which == 1 || denoiser.RowCount == masked, $"{denoiser.RowCount} rows asked for {masked} masked positions.");
    }

    [Theory]
    [InlineData(false, 2, 7)]
    [InlineData(true, 2, 7)]
    [InlineData(false, 1, 600_000)] // several blocks of a row
    public void A_seeded_walk_draws_for_masked_positions_in_order_from_each_rows_own_numbers(bool isSingle, int batch, int vocabSize)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        const int length = 8;
        var mask = vocabSize - 1L;
        var denoiser = new TableDenoiser(randn([length, vocabSize], generator: random), mask);
        var sampler = new AncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 3, UsesSingleUniforms = isSingle, NoiseRemoval = NoiseRemoval.Ancestral });
        var prompt = zeros([batch, 0], ScalarType.Int64);
        using var seeds = new Generator(9);
        using var generators = RowGenerators.Derive(seeds, batch);
        var rows = new RowUniforms(generators, isSingle);
        var current = full(batch, length, mask, ScalarType.Int64);
        using var same = new Generator(9);
        foreach (var (seeded, replayed) in sampler.Sample(prompt, length, same).Zip(sampler.Replay(prompt, length, Numbers)))
        {
            Close.Check("grid", seeded, replayed);
            current.Dispose();
            current = replayed;
            seeded.Dispose();
        }
        current.Dispose();

        Tensor Numbers(long[] shape)
        {
            var all = full(shape, 0.5, isSingle ? ScalarType.Float32 : ScalarType.Float64);
            for (var row = 0; row < batch; row++)
            {
                var index = current[row].eq(mask).nonzero().squeeze(1);
                if (index.size(0) > 0)
                    all[row].index_copy_(0, index, rows.Next(row, index.size(0), vocabSize));
            }
            return all;
        }
    }
}
