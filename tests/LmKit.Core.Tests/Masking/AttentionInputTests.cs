using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What attention cannot be computed of is refused before anything is computed.</summary>
[NoTensorLeak]
public sealed class AttentionInputTests
{
    [Theory]
    [InlineData(0, 1, 4, "at least one head")]
    [InlineData(2, 2, 0, "at least one number wide")]
    [InlineData(2, 0, 4, "2 query heads cannot share 0 key heads")]
    [InlineData(3, 2, 4, "3 query heads cannot share 2 key heads")]
    public void Heads_and_widths_that_cannot_be_are_refused(long heads, long keyHeads, long width, string text)
    {
        using var scope = NewDisposeScope();
        var input = Input(heads, keyHeads, width);
        foreach (var attend in Forms(input))
            Assert.Contains(text, Assert.Throws<ArgumentException>(attend).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Slopes_for_other_heads_are_refused()
    {
        using var scope = NewDisposeScope();
        foreach (var attend in Forms(Input(2, 2, 4) with { Encoding = new AlibiEncoding(3) }))
        {
            var error = Assert.Throws<ArgumentException>(attend);
            Assert.Equal("Encoding", error.ParamName);
            Assert.Contains("slopes for 3 heads; got 2", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal([1, 2, 3, 4], DenseAttention.Attend(Input(2, 2, 4) with { Encoding = new AlibiEncoding(2) }, new CausalMask()).shape);
    }

    [Fact]
    public void Parts_that_do_not_belong_together_are_refused_by_name()
    {
        using var scope = NewDisposeScope();
        var input = Input(2, 2, 4);
        var segments = zeros(1, 3, dtype: ScalarType.Int64);
        foreach (var (name, wrong) in new (string, AttentionInput)[]
        {
            ("Values", input with { Values = zeros(1, 2, 3, 5) }),
            ("Values", input with { Values = zeros(1, 2, 4, 4) }),
            ("Keys", input with { Keys = zeros(1, 2, 3, 3) }),
            ("Keys", input with { Keys = zeros(2, 2, 3, 4) }),
            ("QueryPositions", input with { QueryPositions = zeros(1, 2, dtype: ScalarType.Int64) }),
            ("KeyPositions", input with { KeyPositions = zeros(1, 4, dtype: ScalarType.Int64) }),
            ("KeyPositions", input with { KeyPositions = zeros(1, 3) }),
            ("QuerySegments", input with { QuerySegments = zeros(1, 2, dtype: ScalarType.Int64), KeySegments = segments }),
            ("KeySegments", input with { QuerySegments = segments, KeySegments = zeros(1, 2, dtype: ScalarType.Int64) }),
        })
        {
            Assert.Contains(name, Assert.ThrowsAny<ArgumentException>(() => DenseAttention.Attend(wrong, new CausalMask())).Message, StringComparison.Ordinal);
        }
        Assert.ThrowsAny<ArgumentException>(() => DenseAttention.Attend(input with { QuerySegments = segments }, new CausalMask()));
        Assert.ThrowsAny<ArgumentException>(() => DenseAttention.Attend(input with { KeySegments = segments }, new CausalMask()));
    }

    private static Action[] Forms(AttentionInput input) => [() => DenseAttention.Attend(input, new CausalMask()), () => DenseAttention.Attend(input, new WindowMask(2))];

    private static AttentionInput Input(long heads, long keyHeads, long width)
    {
        var positions = arange(3, dtype: ScalarType.Int64).unsqueeze(0);
        return new AttentionInput(ones(1, heads, 3, width), ones(1, keyHeads, 3, width), ones(1, keyHeads, 3, width), positions, positions, null, null, null);
    }

    [Theory]
    [InlineData(new long[] { 3, 5 }, new long[] { 2, 7 }, true)]
    [InlineData(new long[] { 3, 2, 5 }, new long[] { 4, 2, 7 }, true)]
    [InlineData(new long[] { 3, 5 }, new long[] { 3, 7 }, false)]
    [InlineData(new long[] { 1, 5 }, new long[] { 3, 7 }, false)]
    [InlineData(new long[] { 3, 5 }, new long[] { 1, 7 }, false)]
    [InlineData(new long[] { 3, 2, 5 }, new long[] { 2, 7 }, false)]
    public void Positions_have_leading_axes_that_are_alike_or_one(long[] queries, long[] keys, bool isRefused)
    {
        using var scope = NewDisposeScope();
        Action visible = () => new CausalMask().Visible(zeros(queries, ScalarType.Int64), zeros(keys, ScalarType.Int64));
        var error = Record.Exception(visible);
        Assert.Equal(isRefused ? "keys" : null, (error as ArgumentException)?.ParamName);
        Assert.Equal(isRefused, error is not null);
    }

    [Fact]
    public void A_missing_mask_or_encoding_that_turns_nothing_are_told_apart()
    {
        using var scope = NewDisposeScope();
        var input = Input(2, 2, 4);
        Assert.Equal("mask", Assert.Throws<ArgumentNullException>(() => DenseAttention.Attend(input, null!)).ParamName);
        var encoding = new AlibiEncoding(2);
        Close.Check("queries", input.Queries, encoding.EncodeQueries(input.Queries, input.QueryPositions));
        Close.Check("keys", input.Keys, encoding.EncodeKeys(input.Keys, input.KeyPositions));
    }
}
