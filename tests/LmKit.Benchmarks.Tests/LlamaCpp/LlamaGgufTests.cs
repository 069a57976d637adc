using LmKit.Benchmarks.LlamaCpp;
using LmKit.Benchmarks.Ratios;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests.LlamaCpp;

[NoTensorLeak]
public sealed class LlamaGgufTests
{
    private const int heads = 3;
    private const int headDim = 8;
    private const int width = 5;

    public LlamaGgufTests() => LibTorch.EnsureLoaded();

    [Fact]
    public void Rows_that_turn_as_neighbours_give_the_scores_of_rows_that_turn_as_halves()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1);
        var (query, key, x) = (randn(heads * headDim, width, generator: random), randn(heads * headDim, width, generator: random), randn(1, 7, width, generator: random));
        var (halves, neighbours) = (new RotaryEmbedding(headDim), new RotaryEmbedding(headDim, isInterleaved: true));

        var expected = Scores(halves, query, key);
        var permuted = Scores(neighbours, LlamaGguf.Neighboured(query, headDim), LlamaGguf.Neighboured(key, headDim));
        var unpermuted = Scores(neighbours, query, key);

        Assert.Null(RatioAgreement.Difference([expected], [permuted], 1e-5));
        Assert.NotNull(RatioAgreement.Difference([expected], [unpermuted], 1e-2));

        Tensor Scores(RotaryEmbedding rotary, Tensor queries, Tensor keys) => Turned(rotary, queries).matmul(Turned(rotary, keys).transpose(2, 3));

        Tensor Turned(RotaryEmbedding rotary, Tensor weight) =>
            rotary.EncodeKeys(nn.functional.linear(x, weight).view(1, 7, heads, headDim).transpose(1, 2), arange(7, dtype: ScalarType.Int64).unsqueeze(0));
    }
}
