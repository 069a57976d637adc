using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class ChunkedCrossEntropyTests
{
    [Theory]
    [InlineData(true, 1)]
    [InlineData(true, 4)]
    [InlineData(true, 1000)]
    [InlineData(false, 1)]
    [InlineData(false, 5)]
    public void Chunks_give_the_loss_and_every_gradient_of_the_whole(bool isHeadTied, long chunk)
    {
        using var scope = NewDisposeScope();
        using var model = Model(isHeadTied);
        var (whole, wholeGradients) = Pass(model, 1000);
        var (chunked, chunkedGradients) = Pass(model, chunk);

        Close.Check("loss", whole, chunked, absolute: 1e-12);
        Assert.Equal(wholeGradients.Keys, chunkedGradients.Keys);
        foreach (var (name, gradient) in wholeGradients)
            Close.Check(name, gradient, chunkedGradients[name], absolute: 1e-12);
    }

    [Fact]
    public void A_frozen_head_gets_no_gradient_and_what_lies_below_does()
    {
        using var scope = NewDisposeScope();
        using var model = Model(isHeadTied: false);
        model.get_parameter("lm_head.weight")!.requires_grad_(false);
        var (_, gradients) = Pass(model, 2);

        Assert.DoesNotContain("lm_head.weight", gradients.Keys);
        Assert.Contains("embeddings.word_embeddings.weight", gradients.Keys);
    }

    [Fact]
    public void Without_gradients_the_loss_is_the_same()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(isHeadTied: true);

        Close.Check("loss", NextTokenLoss.Of(model, Tokens(), chunkRows: 1000).Sum, NextTokenLoss.Of(model, Tokens(), chunkRows: 3).Sum, absolute: 1e-12);
        Assert.Throws<ArgumentOutOfRangeException>(() => NextTokenLoss.Of(model, Tokens(), chunkRows: -1));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_model_around_another_keeps_the_bound_when_it_answers_for_the_heads_parameters(bool answers)
    {
        using var scope = NewDisposeScope();
        using var model = Model(isHeadTied: true);
        using var outer = new OuterModel(model, answers);
        model.zero_grad();
        NextTokenLoss.Of(outer, Tokens(), chunkRows: 4).Sum.backward();
        KernelFunction.ThrowIfFailed();
        var gradient = model.get_parameter("embeddings.word_embeddings.weight")!.grad!.clone();

        Assert.Equal(answers ? 4 : 10, outer.MostRows);
        model.zero_grad();
        NextTokenLoss.Of(model, Tokens(), chunkRows: 1000).Sum.backward();
        Close.Check("gradient", model.get_parameter("embeddings.word_embeddings.weight")!.grad!, gradient, absolute: 1e-12);
        model.zero_grad();
    }

    [Fact]
    public void Two_hundred_steps_in_chunks_leave_no_tensor_behind()
    {
        using var model = Model(isHeadTied: true);
        LiveTensors.Unchanged("steps", () =>
        {
            for (var step = 0; step < 200; step++)
            {
                using var scope = NewDisposeScope();
                model.zero_grad();
                NextTokenLoss.Of(model, Tokens(), chunkRows: 4).Sum.backward();
            }
            model.zero_grad();
        });
    }

    private static (Tensor Loss, Dictionary<string, Tensor> Gradients) Pass(LanguageModel model, long chunk)
    {
        model.zero_grad();
        var loss = NextTokenLoss.Of(model, Tokens(), chunkRows: chunk);
        (loss.Sum * 0.25).backward();
        KernelFunction.ThrowIfFailed();
        return (loss.Sum.detach(), model.named_parameters().Where(entry => entry.parameter.grad is not null).ToDictionary(entry => entry.name, entry => entry.parameter.grad!.clone()));
    }

    private static Tensor Tokens() => tensor(new long[] { 1, 2, 3, 4, 5, 6, 0, 3, 2, 1, 4, 4 }, [2, 6]);

    private static LanguageModel Model(bool isHeadTied)
    {
        var builder = ToyModel.Builder().AddAttention();
        builder.Options.IsHeadTied = isHeadTied;
        return builder.Build();
    }

    // As a model around another answers for it, or forgets to.
    private sealed class OuterModel(LanguageModel inner, bool answers) : nn.Module<Tensor, SequenceContext?, Tensor>(nameof(OuterModel)), ILanguageModel
    {
        internal long MostRows { get; private set; }

        public long VocabSize => inner.VocabSize;

        public bool IsCausal => inner.IsCausal;

        public IReadOnlyList<TorchSharp.Modules.Parameter>? HeadParameters => answers ? inner.HeadParameters : null;

        public MixerState NewState(long batch) => inner.NewState(batch);

        public Tensor Hidden(Tensor tokens, SequenceContext? context = null) => inner.Hidden(tokens, context);

        public Tensor Logits(Tensor hidden)
        {
            MostRows = Math.Max(MostRows, hidden.size(0));
            return inner.Logits(hidden);
        }

        public override Tensor forward(Tensor tokens, SequenceContext? context) => inner.call(tokens, context);
    }
}
