using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Filters refuse what they cannot read, by the filter's and the argument's name.</summary>
[NoTensorLeak]
public sealed class LogitCheckTests
{
    public static TheoryData<string> Names => [.. Filters.Keys];

    private static Dictionary<string, LogitFilter> Filters => new()
    {
        ["Temperature"] = Temperature.Filter(2),
        ["TopK"] = TopK.Filter(2),
        ["TopP"] = TopP.Filter(0.5),
        ["MinP"] = MinP.Filter(0.5),
        ["RepetitionPenalty"] = RepetitionPenalty.Filter(2),
        ["RepetitionPenalty of counts"] = RepetitionPenalty.Filter(1, 1),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Logits_of_no_token_of_whole_numbers_or_gone_are_refused(string name)
    {
        using var scope = NewDisposeScope();
        var (filter, tokens) = (Filters[name], zeros(2, 1, dtype: ScalarType.Int64));
        var gone = zeros(2, 3);
        gone.Dispose();
        foreach (var logits in new[] { zeros(2, 0), zeros(2, 3, dtype: ScalarType.Int64), zeros(2, 3, dtype: ScalarType.ComplexFloat32) })
        {
            var error = Assert.ThrowsAny<ArgumentException>(() => filter(logits, tokens, 0));
            Assert.Contains(name.Split(' ')[0], error.Message, StringComparison.Ordinal);
            Assert.Equal("logits", error.ParamName);
        }
        Assert.Equal("logits", Assert.Throws<ObjectDisposedException>(() => filter(gone, tokens, 0)).ObjectName);
        Assert.Throws<ArgumentNullException>(() => filter(null!, tokens, 0));
    }

    [Theory]
    [InlineData("RepetitionPenalty")]
    [InlineData("RepetitionPenalty of counts")]
    public void Tokens_that_do_not_fit_the_logits_are_refused(string name)
    {
        using var scope = NewDisposeScope();
        var (filter, logits) = (Filters[name], zeros(2, 3));
        Assert.Equal("tokens", Assert.ThrowsAny<ArgumentException>(() => filter(logits, zeros(3, 1, dtype: ScalarType.Int64), 0)).ParamName);
        Assert.Equal("tokens", Assert.ThrowsAny<ArgumentException>(() => filter(logits, zeros(2, dtype: ScalarType.Int64), 0)).ParamName);
        Assert.Equal("tokens", Assert.ThrowsAny<ArgumentException>(() => filter(logits, zeros(2, 1), 0)).ParamName);
        Assert.Equal(("tokens", (object)3L), Fault(() => filter(logits, tensor(new long[] { 2, 3 }, [2, 1]), 0)));
        using var fits = filter(logits, tensor(new long[] { 2, -1 }, [2, 1]), 0);
        using var empty = filter(logits, zeros(2, 0, dtype: ScalarType.Int64), 0);
        Assert.Equal(logits.shape, fits.shape);
        Assert.Equal(logits.shape, empty.shape);
    }

    [Fact]
    public void A_prompt_longer_than_the_tokens_is_refused_and_one_as_long_counts_nothing()
    {
        using var scope = NewDisposeScope();
        var (filter, logits, tokens) = (RepetitionPenalty.Filter(1, 1), zeros(1, 3), tensor(new long[] { 0, 1 }, [1, 2]));
        Assert.Equal(("promptLength", (object)3L), Fault(() => filter(logits, tokens, 3)));
        Assert.Equal(("promptLength", (object)(-1L)), Fault(() => filter(logits, tokens, -1)));
        Close.Check("nothing", logits, filter(logits, tokens, 2));
        Close.Check("all", tensor(new[] { -2f, -2, 0 }, [1, 3]), filter(logits, tokens, 0));
    }

    private static (string? Name, object? Value) Fault(Action call)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(call);
        return (error.ParamName, error.ActualValue);
    }
}
