using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class EmbeddingTests
{
    private const double Tolerance = 1e-12;

    [Fact]
    public void The_embedding_is_scaled_then_placed_then_normed()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model(builder => builder.AddLearnedPositions(8).AddRmsNorm(norm => norm.Epsilon = 0.1).AddTokenEmbedding(token => (token.Scale, token.HasNorm) = (3, true)));
        var tokens = LanguageModelTests.Tokens(2, 5);
        var words = model.get_parameter("embeddings.word_embeddings.weight")!.index_select(0, tokens.view(-1)).view(2, 5, -1);
        var weight = model.get_parameter("embeddings.norm.weight")!;
        weight.copy_(linspace(0.5, 1.5, ToyModel.ModelDim));
        var x = words * 3 + model.get_parameter("embeddings.learned.position_embeddings.weight")!.narrow(0, 0, 5);

        Close.Check("embedding", x / (x.square().mean([-1L], keepdim: true) + 0.1).sqrt() * weight, Embedded(model, tokens), absolute: Tolerance);
    }

    [Fact]
    public void A_tied_head_is_not_scaled_with_the_embedding()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model(builder => builder.AddTokenEmbedding(token => token.Scale = 3));
        var hidden = model.Hidden(LanguageModelTests.Tokens(1, 4));

        Close.Check("logits", hidden.matmul(model.get_parameter("embeddings.word_embeddings.weight")!.t()), model.Logits(hidden), absolute: Tolerance);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void The_scale_is_rounded_to_the_models_dtype_before_it_multiplies(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        const double Scale = 55.426; // sqrt(3072) of Gemma 7B, which bfloat16 has as 55.5
        using var model = ToyModel.Builder(dtype: dtype).AddAttention().AddTokenEmbedding(token => token.Scale = Scale).Build();
        var tokens = LanguageModelTests.Tokens(2, 20);
        var words = model.get_parameter("embeddings.word_embeddings.weight")!.index_select(0, tokens.view(-1)).view(2, 20, -1);
        var rounded = tensor(Scale, ScalarType.Float32).to(dtype).to(ScalarType.Float32);
        var y = Embedded(model, tokens);

        Assert.Equal(dtype, y.dtype);
        Assert.True((words.to(ScalarType.Float32) * rounded).to(dtype).eq(y).all().item<bool>());
        Assert.False((words.to(ScalarType.Float32) * Scale).to(dtype).eq(y).all().item<bool>());
    }

    [Fact]
    public void Scale_and_norm_get_gradients_and_leave_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using var model = LanguageModelTests.Model(builder => builder.AddTokenEmbedding(token => (token.Scale, token.HasNorm) = (2, true)));
        var tokens = LanguageModelTests.Tokens(1, 4);
        string[] names = ["embeddings.word_embeddings.weight", "embeddings.norm.weight", "embeddings.norm.bias"];

        GradientCheck.Check(() => model.Hidden(tokens), [.. names.Select(name => (name, (Tensor)model.get_parameter(name)!))]);
        LiveTensors.Unchanged("a call", () => model.Hidden(tokens).Dispose());
    }

    [Fact]
    public void An_embedding_of_a_third_party_stands_in_a_model_that_streams_trains_and_loads()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = LanguageModelTests.Model(builder =>
        {
            builder.Options.IsHeadTied = false;
            builder.Options.EmbeddingDropoutRate = 0.4;
            _ = builder.Add(ToyParts.Embedding);
        });
        var tokens = LanguageModelTests.Tokens(2, 6);
        var segments = tensor(new long[] { 0, 0, 0, 1, 1, -1, 0, 0, 0, 0, 0, 0 }, [2, 6]);
        NextTokenLoss.Of(model, tokens, segments).Sum.backward();
        Assert.All(["high", "low"], name => Assert.True(model.get_parameter($"embeddings.{name}.weight")!.grad!.abs().sum().item<double>() > 0));
        model.zero_grad();
        using var frozen = no_grad();
        using var state = model.NewState(2);
        var pieces = new[] { (0L, 2L), (2, 4) }.Select(part => model.call(tokens.narrow(1, part.Item1, part.Item2), new SequenceContext(state))).ToList();
        Close.Check("streamed", model.call(tokens, null), cat(pieces, 1), absolute: 1e-11);
        model.Save(folder.Path);
        using var loaded = LanguageModel.Load(folder.Path, kinds => kinds.Add(ToyParts.Embedding));
        Close.Check("loaded", model.call(tokens, null), loaded.call(tokens, null));
        model.train();
        Assert.True((model.call(tokens, null) - loaded.call(tokens, null)).abs().max().item<double>() > 1e-3, "Dropout on the embedding does not act.");
    }

    private static Tensor Embedded(LanguageModel model, Tensor tokens)
    {
        Tensor? seen = null;
        using var attached = model.HookPoints["embeddings.out"].Attach(x =>
        {
            seen = x.clone().DetachFromDisposeScope();
            return x;
        });
        model.Hidden(tokens).Dispose();
        using (seen)
            return seen!.alias(); // of the caller's scope
    }
}
