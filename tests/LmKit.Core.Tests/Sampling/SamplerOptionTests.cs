using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Every option of the autoregressive sampler reaches the draw.</summary>
[NoTensorLeak]
public sealed class SamplerOptionTests
{
    private const int Rows = 300;

    // Of the tokens 0 to 5, with nothing in common but that they add up to one.
    private static readonly double[] Logits = [.. new[] { 0.30, 0.22, 0.18, 0.14, 0.10, 0.06 }.Select(share => Math.Log(share))];

    public static TheoryData<string> Options => [.. Changes.Keys];

    private static Dictionary<string, (Action<AutoregressiveSamplerOptions> Set, LogitFilter Filter)> Changes => new()
    {
        [nameof(AutoregressiveSamplerOptions.Temperature)] = (options => options.Temperature = 0.4, Temperature.Filter(0.4)),
        [nameof(AutoregressiveSamplerOptions.TopK)] = (options => options.TopK = 2, TopK.Filter(2)),
        [nameof(AutoregressiveSamplerOptions.TopP)] = (options => options.TopP = 0.6, TopP.Filter(0.6)),
        [nameof(AutoregressiveSamplerOptions.MinP)] = (options => options.MinP = 0.5, MinP.Filter(0.5)),
        [nameof(AutoregressiveSamplerOptions.RepetitionPenalty)] = (options => options.RepetitionPenalty = 3, RepetitionPenalty.Filter(3)),
        [nameof(AutoregressiveSamplerOptions.FrequencyPenalty)] = (options => options.FrequencyPenalty = 2, RepetitionPenalty.Filter(2, 0)),
        [nameof(AutoregressiveSamplerOptions.PresencePenalty)] = (options => options.PresencePenalty = 4, RepetitionPenalty.Filter(0, 4)),
    };

    [Theory]
    [MemberData(nameof(Options))]
    public void An_option_draws_as_its_filter_does(string name)
    {
        var (set, filter) = Changes[name];
        var options = new AutoregressiveSamplerOptions();
        set(options);

        Assert.Equal(Draws(new AutoregressiveSamplerOptions(), filter), Draws(options));
        Assert.NotEqual(Draws(new AutoregressiveSamplerOptions()), Draws(options));
    }

    [Fact]
    public void Temperature_zero_and_one_too_small_to_divide_by_take_the_most_likely_token()
    {
        foreach (var temperature in new[] { 0, double.Epsilon, 1e-310, 1e-45, 1e-38, 1e-20, 1e-5 })
            Assert.All(Draws(new AutoregressiveSamplerOptions { Temperature = temperature }), token => Assert.Equal(0, token));
    }

    [Fact]
    public void A_stop_token_ends_the_row()
    {
        Assert.DoesNotContain(-1, Draws(new AutoregressiveSamplerOptions()));
        var stopped = Draws(new AutoregressiveSamplerOptions { StopTokens = [0, 1] }).Chunk(3).ToArray();

        Assert.Contains(stopped, row => row[0] is 0 or 1);
        Assert.All(stopped.Where(row => row[0] is 0 or 1), row => Assert.Equal([-1, -1], row[1..]));
        Assert.All(stopped.Where(row => row[0] is not (0 or 1)), row => Assert.NotEqual(-1, row[1]));
    }

    [Fact]
    public void What_an_options_object_holds_later_changes_no_sampler_made_before()
    {
        using var model = new FixedModel(Logits);
        var options = new AutoregressiveSamplerOptions { Temperature = 0, StopTokens = [5] };
        var sampler = new AutoregressiveSampler(model, options);
        (options.Temperature, options.StopTokens[0]) = (1, 0);

        Assert.All(Draws(sampler), token => Assert.Equal(0, token));
    }

    [Theory]
    [InlineData(nameof(AutoregressiveSamplerOptions.Temperature), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.Temperature), -0.1)]
    [InlineData(nameof(AutoregressiveSamplerOptions.Temperature), double.PositiveInfinity)]
    [InlineData(nameof(AutoregressiveSamplerOptions.TopP), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.TopP), 1.5)]
    [InlineData(nameof(AutoregressiveSamplerOptions.TopP), -1.0)]
    [InlineData(nameof(AutoregressiveSamplerOptions.MinP), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.MinP), 1.01)]
    [InlineData(nameof(AutoregressiveSamplerOptions.RepetitionPenalty), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.RepetitionPenalty), 0.0)]
    [InlineData(nameof(AutoregressiveSamplerOptions.RepetitionPenalty), double.PositiveInfinity)]
    [InlineData(nameof(AutoregressiveSamplerOptions.FrequencyPenalty), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.FrequencyPenalty), double.NegativeInfinity)]
    [InlineData(nameof(AutoregressiveSamplerOptions.PresencePenalty), double.NaN)]
    [InlineData(nameof(AutoregressiveSamplerOptions.PresencePenalty), double.PositiveInfinity)]
    [InlineData(nameof(AutoregressiveSamplerOptions.TopK), -1)]
    public void A_value_out_of_its_range_is_refused_by_the_options_name(string name, object value)
    {
        using var model = new FixedModel(Logits);
        var options = new AutoregressiveSamplerOptions();
        typeof(AutoregressiveSamplerOptions).GetProperty(name)!.SetValue(options, value);

        var error = Assert.Throws<ArgumentOutOfRangeException>(() => new AutoregressiveSampler(model, options));
        Assert.Equal((name, value), (error.ParamName, error.ActualValue));
    }

    [Fact]
    public void A_missing_filter_is_refused_and_missing_stop_tokens_are_none()
    {
        using var model = new FixedModel(Logits);
        Assert.Contains("Filter 1", Assert.Throws<ArgumentException>(() => new AutoregressiveSampler(model, null, TopK.Filter(1), null!)).Message, StringComparison.Ordinal);
        Assert.Equal(3 * Rows, Draws(new AutoregressiveSampler(model, new() { StopTokens = null! })).Length);
    }

    internal static long[] Draws(AutoregressiveSamplerOptions options, params LogitFilter[] filters)
    {
        using var model = new FixedModel(Logits);
        return Draws(new AutoregressiveSampler(model, options, filters));
    }

    // Three tokens for each of many rows that begin with token 1.
    internal static long[] Draws(AutoregressiveSampler sampler)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(7);
        var prompt = ones(Rows, 1, dtype: ScalarType.Int64);
        Tensor? last = null;
        foreach (var grid in sampler.Sample(prompt, 3, random))
        {
            last?.Dispose();
            last = grid;
        }
        using (last)
            return HostValues.Read(last!.narrow(1, 1, last.size(1) - 1));
    }
}
