using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class AutoregressiveSamplerTests : SamplerConformance, IDisposable
{
    private readonly LanguageModel model = LanguageModelTests.Model(builder => builder.AddLearnedPositions(32));

    protected override long VocabSize => ToyModel.VocabSize;

    // By column within what the edit sees, so that padding would be seen too.
    protected override (string Point, Func<Tensor, Tensor> Edit)? Steering => ("layers.0.resid_post", activation =>
        activation + arange(activation.size(1), dtype: activation.dtype).view(1, -1, 1) + arange(activation.size(2), dtype: activation.dtype).remainder(3) * 5);

    public void Dispose() => model.Dispose();

    [Fact]
    public void Keeping_one_token_is_the_same_as_temperature_zero()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var prompt = LanguageModelTests.Tokens(2, 3);

        Close.Check("top-k 1", Last(new() { Temperature = 0 }, prompt, random), Last(new() { TopK = 1 }, prompt, random));
        Close.Check("top-p 0", Last(new() { Temperature = 0 }, prompt, random), Last(new() { TopP = 0 }, prompt, random));
    }

    [Fact]
    public void Tokens_are_drawn_with_the_models_probabilities()
    {
        const int Count = 4_000;
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var prompt = tensor(new long[] { 1, 2 }, [1, 2]);
        var probabilities = model.call(prompt, null)[0, 1].softmax(-1).to(ScalarType.Float64);
        var drawn = Last(new(), prompt.expand(Count, 2).contiguous(), random, 1).select(1, 2);
        var shares = drawn.bincount(null, VocabSize).to(ScalarType.Float64) / Count;

        // Four standard deviations of a share of one half.
        Close.Check("shares", probabilities, shares, absolute: 4 * 0.5 / Math.Sqrt(Count));
    }

    [Fact]
    public void A_row_ends_on_its_stop_token_and_changes_no_other()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var prompt = LanguageModelTests.Tokens(3, 3);
        var free = Last(new() { Temperature = 0 }, prompt, random, 8);
        var stop = free[0, 4].item<long>();
        var stopped = Last(new() { Temperature = 0, StopTokens = [stop] }, prompt, random, 8);
        for (var row = 0; row < 3; row++)
        {
            var (whole, cut) = (Row(free, row), Row(stopped, row));
            var end = Array.IndexOf(whole, stop, 3);
            var kept = end < 0 ? whole : whole[..(end + 1)];
            Assert.Equal(kept.Concat(Enumerable.Repeat(-1L, Math.Max(0, cut.Length - kept.Length))).Take(cut.Length), cut);
        }
    }

    [Fact]
    public void A_model_that_is_not_causal_and_a_prompt_without_tokens_are_refused()
    {
        using var scope = NewDisposeScope();
        using var bidirectional = LanguageModelTests.Model(builder => builder.Options.IsBidirectional = true);
        var sampler = new AutoregressiveSampler(model);

        Assert.Throws<ArgumentException>(() => new AutoregressiveSampler(bidirectional));
        Assert.Throws<ArgumentException>(() => new AutoregressiveSampler(model, new() { StopTokens = [ToyModel.VocabSize] }));
        Assert.Throws<ArgumentException>(() => sampler.Sample(tensor(new long[] { 1, -1 }, [1, 2]), 1));
        Assert.Throws<ArgumentException>(() => sampler.Sample(zeros(1, 0, dtype: ScalarType.Int64), 1));
        Assert.Throws<ArgumentException>(() => sampler.Sample(zeros(2, dtype: ScalarType.Int64), 1));
        Assert.ThrowsAny<ArgumentException>(() => sampler.Sample(zeros(1, 1, dtype: ScalarType.Int64), -1));
    }

    protected override ISampler Create() => new AutoregressiveSampler(model);

    protected override (ISampler Sampler, Tensor Expected)? Greedy(Tensor prompt, long length)
    {
        var rows = Enumerable.Range(0, (int)prompt.size(0)).Select(row => Continue(prompt[row], length)).ToArray();
        return (new AutoregressiveSampler(model, new() { Temperature = 0 }), stack(rows));
    }

    // Without state: the whole text anew for each token.
    private Tensor Continue(Tensor row, long length)
    {
        for (var step = 0L; step < length; step++)
        {
            var valid = row.masked_select(row.ge(0)).unsqueeze(0);
            row = cat([row, model.call(valid, null)[0, -1].argmax().view(1)]);
        }
        return row;
    }

    private Tensor Last(AutoregressiveSamplerOptions options, Tensor prompt, Generator random, long length = 6)
    {
        var grids = new AutoregressiveSampler(model, options).Sample(prompt, length, random).ToList();
        var last = grids[^1].clone();
        grids.ForEach(grid => grid.Dispose());
        return last;
    }

    private static long[] Row(Tensor grid, long row) => grid[row].data<long>().ToArray();
}
