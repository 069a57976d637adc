using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The loss of a model in half precision was summed in half precision: 3.4 % off, or stuck, with small chunks.</summary>
[NoTensorLeak]
public sealed class Report27LossInBFloat16
{
    public static TheoryData<ScalarType, bool, long, long> Cases
    {
        get
        {
            var cases = new TheoryData<ScalarType, bool, long, long>();
            foreach (var dtype in new[] { ScalarType.Float16, ScalarType.BFloat16 })
            {
                foreach (var chunk in new long[] { 0, 1, 7, 64, 100_000 })
                {
                    cases.Add(dtype, true, 300, chunk);
                    cases.Add(dtype, false, 3000, chunk);
                }
            }
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_loss_is_the_float64_sum_over_the_models_logits_whatever_the_chunk(ScalarType dtype, bool isHeadTied, long vocabSize, long chunk)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(dtype, vocabSize, isHeadTied);
        var tokens = Tokens(vocabSize, 2, 300);
        var loss = NextTokenLoss.Of(model, tokens, chunkRows: chunk);

        Assert.Equal(ScalarType.Float32, loss.Sum.dtype);
        Close.Check("sum", Exact(model, tokens).sum(), loss.Sum, relative: 1e-5);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Each_tokens_loss_is_that_of_float64(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var model = Model(dtype, 3000, isHeadTied: false);
        var tokens = Tokens(3000, 2, 50);

        using var frozen = no_grad();
        Close.Check("losses", Exact(model, tokens), NextTokenLoss.PerToken(model, tokens), relative: 1e-5);
    }

    [Theory]
    [InlineData(ScalarType.Float16, 2e-3)]
    [InlineData(ScalarType.BFloat16, 1.5e-2)]
    public void Gradients_gathered_over_one_row_chunks_are_those_of_the_whole(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var model = Model(dtype, 300, isHeadTied: false);
        var tokens = Tokens(300, 2, 400);
        var whole = Gradients(100_000);
        var chunked = Gradients(1);

        foreach (var (name, gradient) in whole)
        {
            Assert.Equal(dtype, chunked[name].dtype);
            Close.Check(name, gradient, chunked[name], relativeToLargest: tolerance);
        }

        Dictionary<string, Tensor> Gradients(long chunk)
        {
            model.zero_grad();
            NextTokenLoss.Of(model, tokens, chunkRows: chunk).Sum.backward();
            KernelFunction.ThrowIfFailed();
            return model.named_parameters().Where(entry => entry.parameter.grad is not null).ToDictionary(entry => entry.name, entry => entry.parameter.grad!.clone());
        }
    }

    [Fact]
    public void Where_nothing_counts_the_loss_is_zero_even_if_hidden_states_overflow_a_sum()
    {
        using var scope = NewDisposeScope();
        using var model = Model(ScalarType.Float16, 16, isHeadTied: false);
        using (no_grad())
            model.get_parameter("ln_f.weight")!.fill_(60_000);
        var tokens = ones([2, 6], ScalarType.Int64);

        foreach (var loss in new[] { NextTokenLoss.Of(model, tokens.narrow(1, 0, 1)), NextTokenLoss.Of(model, tokens, counted: zeros([2, 6], ScalarType.Bool)) })
        {
            Assert.Equal((0, 0.0), (loss.Count, loss.Sum.to(ScalarType.Float64).item<double>()));
            loss.Sum.backward();
        }
    }

    private static LanguageModel Model(ScalarType dtype, long vocabSize, bool isHeadTied)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = 16, LayerCount = 1, Dtype = dtype }.AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsHeadTied = isHeadTied;
        return builder.Build();
    }

    private static Tensor Tokens(long vocabSize, long rows, long length)
    {
        using var random = new Generator(5);
        return randint(0, vocabSize, [rows, length], dtype: ScalarType.Int64, generator: random);
    }

    private static Tensor Exact(LanguageModel model, Tensor tokens)
    {
        var length = tokens.size(1) - 1;
        var logits = model.call(tokens, null).narrow(1, 0, length).to(ScalarType.Float64);
        return -logits.log_softmax(-1).gather(2, tokens.narrow(1, 1, length).unsqueeze(-1)).squeeze(-1);
    }
}
