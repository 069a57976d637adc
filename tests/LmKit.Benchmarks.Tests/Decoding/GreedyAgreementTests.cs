using LmKit.Benchmarks.Decoding;
using LmKit.Benchmarks.Ratios;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests.Decoding;

[NoTensorLeak]
public sealed class GreedyAgreementTests
{
    public GreedyAgreementTests() => LibTorch.EnsureLoaded();

    [Fact]
    public void The_tokens_of_two_that_agree_are_returned_and_both_go_back()
    {
        using var a = new Successor(8);
        using var b = new Successor(8);

        Assert.Equal([6, 7, 0, 1], GreedyAgreement.Require("case", a, b, 6, 3, 1e-6));
        Assert.Equal((1, 1), (a.Returns, b.Returns));
    }

    [Fact]
    public void The_first_token_that_differs_is_named()
    {
        using var a = new Successor(8);
        using var b = new Successor(7);

        var problem = Assert.Throws<RatioDisagreementException>(() => GreedyAgreement.Require("case", a, b, 5, 4, double.PositiveInfinity));

        Assert.Contains("case: the two sides disagree", problem.Message, StringComparison.Ordinal);
        Assert.Contains("token 2 after the context is 7 for the baseline and 0 for ours", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Logits_that_differ_too_far_are_a_disagreement_whatever_token_they_choose()
    {
        using var a = new Successor(8);
        using var b = new Successor(8) { Height = 1.1f };

        Assert.Contains("0.1", Assert.Throws<RatioDisagreementException>(() => GreedyAgreement.Require("case", a, b, 5, 4, 0.05)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Decoding_goes_back_to_the_context_after_the_last_token()
    {
        using var scope = NewDisposeScope();
        using var decoder = new Successor(8);
        var repeated = new RepeatedDecoding(decoder, [3, 5]);

        var chosen = Enumerable.Range(0, 5).Select(_ => repeated.Step()[0].argmax().item<long>()).ToList();

        Assert.Equal([4, 6, 4, 6, 4], chosen);
        Assert.Equal(2, decoder.Returns);
    }

    // Chooses the next number below the modulus.
    private sealed class Successor(long modulus) : IDecoder
    {
        internal float Height { get; init; } = 1;

        internal int Returns { get; private set; }

        public void Read(long[] context)
        {
        }

        public Tensor Step(long token)
        {
            var logits = zeros(8);
            logits[(token + 1) % modulus] = Height;
            return logits;
        }

        public void Return() => Returns++;

        public void Dispose()
        {
        }
    }
}
