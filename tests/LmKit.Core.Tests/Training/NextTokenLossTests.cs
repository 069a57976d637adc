using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Which tokens count in the next-token loss, and what each costs.</summary>
[NoTensorLeak]
public sealed class NextTokenLossTests
{
    private static readonly double[] Logits = [0.3, -1.2, 2, 0.5, -0.4];

    // Without the first of each document and without padding; of the model below every token costs the same wherever it stands.
    [Fact]
    public void Padding_and_first_tokens_of_documents_are_no_targets()
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        var tokens = tensor(new long[] { 4, 4, 1, 2, 3, 0, 2, 2, 1, 0 }, [2, 5]);
        var segments = tensor(new long[] { -1, -1, 0, 0, 1, 5, 5, 5, -1, -1 }, [2, 5]);

        var loss = NextTokenLoss.Of(model, tokens, segments);

        Assert.Equal(3, loss.Count); // 2 after 1; 2 and 2 after 0
        Assert.Equal(3 * Cost(2), loss.Sum.item<float>(), 1e-5);
    }

    [Fact]
    public void What_counts_is_the_target_that_is_marked_and_not_the_token_before_it()
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        var tokens = tensor(new long[] { 4, 3, 1, 2 }, [1, 4]);
        var counted = tensor(new[] { true, true, false, true }, [1, 4]);

        var loss = NextTokenLoss.Of(model, tokens, null, counted);
        Assert.Equal(2, loss.Count);
        Assert.Equal(Cost(3) + Cost(2), loss.Sum.item<float>(), 1e-5);

        var inDocument = NextTokenLoss.Of(model, tokens, tensor(new long[] { 0, 1, 1, 1 }, [1, 4]), counted);
        Assert.Equal(1, inDocument.Count);
        Assert.Equal(Cost(2), inDocument.Sum.item<float>(), 1e-5);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public void Without_segments_every_token_but_the_first_counts_whatever_the_chunk(long chunk)
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        var tokens = tensor(new long[] { 4, 0, 1, 2, 3, 3 }, [2, 3]);

        var loss = NextTokenLoss.Of(model, tokens, chunkRows: chunk);

        Assert.Equal(4, loss.Count);
        Assert.Equal(Cost(0) + Cost(1) + 2 * Cost(3), loss.Sum.item<float>(), 1e-5);
    }

    [Fact]
    public void One_token_and_nothing_counted_cost_nothing()
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        foreach (var loss in new[]
        {
            NextTokenLoss.Of(model, zeros(2, 1, dtype: ScalarType.Int64)),
            NextTokenLoss.Of(model, zeros(2, 0, dtype: ScalarType.Int64)),
            NextTokenLoss.Of(model, zeros(2, 4, dtype: ScalarType.Int64), full(2, 4, -1L, ScalarType.Int64)),
            NextTokenLoss.Of(model, zeros(2, 4, dtype: ScalarType.Int64), null, zeros(2, 4, dtype: ScalarType.Bool)),
        })
        {
            Assert.Equal(0, loss.Count);
            Assert.Equal(0, loss.Sum.item<float>());
        }
    }

    [Fact]
    public void Each_tokens_loss_is_its_own_and_padding_costs_nothing_and_is_not_read()
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        var tokens = tensor(new long[] { -1, 99, 1, 2, 0, 3, 1, -7 }, [2, 4]);
        var segments = tensor(new long[] { -1, -1, 0, 0, 2, 2, 2, -1 }, [2, 4]);

        var losses = NextTokenLoss.PerToken(model, tokens, new SequenceContext(Segments: segments));

        Assert.Equal([2, 3], losses.shape);
        var expected = tensor(new[] { 0, Cost(1), Cost(2), Cost(3), Cost(1), 0 }, [2, 3]).to(ScalarType.Float32);
        Close.Check("losses", expected, losses, absolute: 1e-6);
        Assert.Equal([2, 0], NextTokenLoss.PerToken(model, zeros(2, 1, dtype: ScalarType.Int64)).shape);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(Logits);
        var tokens = zeros(1, 3, dtype: ScalarType.Int64);
        Assert.Equal("model", Assert.Throws<ArgumentNullException>(() => NextTokenLoss.Of(null!, tokens)).ParamName);
        Assert.Equal("model", Assert.Throws<ArgumentNullException>(() => NextTokenLoss.PerToken(null!, tokens)).ParamName);
        Assert.Contains("tokens", Refusal(() => NextTokenLoss.Of(model, zeros(1, 3))), StringComparison.Ordinal);
        Assert.Contains("segments", Refusal(() => NextTokenLoss.Of(model, tokens, zeros(1, 2, dtype: ScalarType.Int64))), StringComparison.Ordinal);
        Assert.Contains("counted", Refusal(() => NextTokenLoss.Of(model, tokens, null, tokens)), StringComparison.Ordinal);
        Assert.Contains("chunkRows", Refusal(() => NextTokenLoss.Of(model, tokens, chunkRows: -1)), StringComparison.Ordinal);
        Assert.Contains("at least one column", Refusal(() => NextTokenLoss.PerToken(model, zeros(1, 0, dtype: ScalarType.Int64))), StringComparison.Ordinal);
    }

    private static string Refusal(Action call) => Assert.ThrowsAny<ArgumentException>(call).Message;

    private static double Cost(int token) => Math.Log(Logits.Sum(Math.Exp)) - Logits[token];
}
