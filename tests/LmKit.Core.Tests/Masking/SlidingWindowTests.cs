using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class SlidingWindowMaskTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new SlidingWindowMask(new SlidingWindowOptions { Window = 5 });
}

public class SlidingWindowOfOneTests : AttentionMaskConformance
{
    protected override IAttentionMask Create() => new SlidingWindowMask(new SlidingWindowOptions { Window = 1 });
}

public abstract class AttentionThroughASlidingWindowTests : AttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Bounded;

    protected override long BoundReachedAt => 150;

    protected override long Length => 40;

    protected override AttentionOptions Options => new() { HeadCount = 2 };
}

public class AttentionThroughASlidingWindowWithRotaryTests : AttentionThroughASlidingWindowTests
{
    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddRotary().AddSlidingWindowMask(window => window.Window = 7);
}

public class AttentionThroughASlidingWindowWithAlibiTests : AttentionThroughASlidingWindowTests
{
    protected override AttentionOptions Options => new() { HeadCount = 4, KeyValueHeadCount = 2 };

    protected override LanguageModelBuilder Compose(LanguageModelBuilder builder) => builder.AddAlibi().AddSlidingWindowMask(window => window.Window = 33);
}

[NoTensorLeak]
public sealed class SlidingWindowTests
{
    [Fact]
    public void A_query_sees_itself_and_the_tokens_before_it_W_in_all()
    {
        using var scope = NewDisposeScope();
        var positions = arange(6, dtype: ScalarType.Int64);
        var seen = new SlidingWindowMask(new SlidingWindowOptions { Window = 3 }).Visible(positions, positions)!;

        for (var i = 0; i < 6; i++)
        {
            for (var j = 0; j < 6; j++)
                Assert.Equal(j <= i && i - j < 3, seen[i, j].item<bool>());
        }
    }

    [Theory]
    [InlineData("rotary")]
    [InlineData("alibi")]
    [InlineData("none")]
    public void A_token_outside_the_window_cannot_reach_an_output_step_by_step_as_well(string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(1, ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2).AddPositions(positions).AddSlidingWindowMask(window => window.Window = 4).Build();
        var tokens = tensor(Enumerable.Range(0, 60).Select(index => (long)(index * 5 % 11)).ToArray(), [1, 60]);
        var other = tokens.clone();
        other[0, 10] = (tokens[0, 10].item<long>() + 1) % 11;
        var (whole, changed) = (model.call(tokens, null), model.call(other, null));

        foreach (var (name, one, two) in new[] { ("whole", whole, changed), ("steps", Steps(tokens), Steps(other)) })
        {
            for (var column = 10; column < 60; column++)
                Assert.Equal(column < 14, (one[0, column] - two[0, column]).abs().max().item<float>() > 1e-4);
            Close.Check(name, whole, one, relativeToLargest: 2e-5);
        }

        Tensor Steps(Tensor read)
        {
            using var state = model.NewState(1);
            return cat([.. read.split(1, 1).Select(token => model.call(token, new SequenceContext(state)))], 1);
        }
    }

    [Fact]
    public void The_cache_holds_the_window_and_a_few_more_however_long_the_text_is()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(2).AddAttention().AddRotary().AddSlidingWindowMask(window => window.Window = 16, [0]).Build();
        using var state = (ModelState)model.NewState(1);
        var token = ones(1, 1, dtype: ScalarType.Int64);
        var most = 0L;
        for (var step = 0; step < 400; step++)
        {
            model.call(token, new SequenceContext(state)).Dispose();
            most = Math.Max(most, ((KeyValueCache)state.Layers[0]).Count);
        }

        Assert.InRange(most, 16, 16 + 33);
        Assert.Equal(400, ((KeyValueCache)state.Layers[1]).Count);
    }

    [Fact]
    public void It_stands_in_the_configuration_by_its_published_name()
    {
        using var model = ToyModel.Builder(3).AddAttention().AddSlidingWindowMask(window => window.Window = 9, [0, 2]).Build();
        var entry = model.Config.Components.Single(component => component.Kind == "sliding_window");

        Assert.Equal(Slots.Mask, entry.Slot);
        Assert.Equal([0, 2], entry.Layers!.Value.ToArray());
        Assert.Equal(9, entry.Options["sliding_window"]!.GetValue<long>());
        using var again = LanguageModelBuilder.From(ModelConfig.FromJson(model.Config.ToJson())).Build();
        Assert.Equal(model.Config, again.Config);
    }

    [Fact]
    public void A_window_that_sees_nothing_or_stands_in_a_model_that_sees_later_tokens_is_refused_by_name()
    {
        foreach (var window in new[] { 0, -1, 1L << 40 })
        {
            var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().AddSlidingWindowMask(options => options.Window = window));
            Assert.Equal("$.components[1].options.sliding_window", error.Path);
            Assert.Contains($"SlidingWindowOptions.Window = {window}", error.Message, StringComparison.Ordinal);
        }
        Assert.Contains("SlidingWindowOptions.Window = 0", Assert.Throws<ArgumentException>(() => new SlidingWindowMask(new SlidingWindowOptions())).Message, StringComparison.Ordinal);
        var both = ToyModel.Builder().AddAttention().AddSlidingWindowMask(options => options.Window = 4);
        both.Options.IsBidirectional = true;
        var refused = Assert.Throws<ConfigurationException>(() => both.Build());
        Assert.Equal("$.components[1].options.sliding_window", refused.Path);
        Assert.Contains("SlidingWindowOptions.Window = 4", refused.Message, StringComparison.Ordinal);
        Assert.Contains("is_bidirectional", refused.Message, StringComparison.Ordinal);
    }
}
