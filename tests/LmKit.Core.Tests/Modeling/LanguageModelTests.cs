using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class LanguageModelTests
{
    private const double Tolerance = 1e-11;

    [Fact]
    public void Its_call_is_hidden_followed_by_logits()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var tokens = Tokens(2, 5);
        var hidden = model.Hidden(tokens);

        Assert.Equal([2, 5, ToyModel.ModelDim], hidden.shape);
        Assert.Equal([2, 5, ToyModel.VocabSize], model.call(tokens, null).shape);
        Close.Check("logits", model.Logits(hidden), model.call(tokens, null));
    }

    [Fact]
    public void A_tied_head_is_the_embedding_transposed_and_one_parameter()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var table = model.get_parameter("embeddings.word_embeddings.weight")!;
        var hidden = model.Hidden(Tokens(2, 5));

        Close.Check("logits", einsum("bld,vd->blv", hidden, table), model.Logits(hidden), absolute: Tolerance);
        Assert.DoesNotContain(model.named_parameters(), pair => pair.name.StartsWith("lm_head", StringComparison.Ordinal));
    }

    [Fact]
    public void An_untied_head_has_its_own_parameter()
    {
        using var scope = NewDisposeScope();
        using var model = Model(builder => builder.Options.IsHeadTied = false);
        var hidden = model.Hidden(Tokens(2, 5));

        Close.Check("logits", einsum("bld,vd->blv", hidden, model.get_parameter("lm_head.weight")!), model.Logits(hidden), absolute: Tolerance);
    }

    [Fact]
    public void It_is_the_pre_norm_residual_network()
    {
        using var scope = NewDisposeScope();
        using var model = Model(layerCount: 1);
        var tokens = Tokens(2, 5);
        var x = model.get_parameter("embeddings.word_embeddings.weight")!.index_select(0, tokens.view(-1)).view(2, 5, -1);
        var mixed = x + Attended(model, Normed(model, x, "layers.0.norm1"));
        var fed = mixed + Fed(model, Normed(model, mixed, "layers.0.norm2"));

        Close.Check("hidden", Normed(model, fed, "ln_f"), model.Hidden(tokens), absolute: Tolerance);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void However_a_text_is_cut_the_logits_equal_the_whole(bool hasLearnedPositions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(hasLearnedPositions ? builder => builder.AddLearnedPositions(16) : null);
        var tokens = Tokens(2, 12);
        var whole = model.call(tokens, null);
        foreach (var cut in new long[][] { [12], [1, 11], [5, 0, 4, 3], [.. Enumerable.Repeat(1L, 12)] })
        {
            using var state = model.NewState(2);
            var (pieces, start) = (new List<Tensor>(), 0L);
            foreach (var length in cut)
            {
                pieces.Add(model.call(tokens.narrow(1, start, length), new SequenceContext(state)));
                start += length;
            }
            Close.Check($"cut {string.Join("+", cut)}", whole, cat(pieces, 1), absolute: Tolerance);
            Assert.Equal(12, state.Position);
        }
    }

    [Fact]
    public void Learned_positions_count_the_valid_tokens_of_each_rows_document()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(builder => builder.AddLearnedPositions(6));
        var tokens = Tokens(1, 6);
        var padded = tensor(new long[] { -1, -1, 3, 4, 5, 6, 7, 8 }, [1, 8]);
        var left = tensor(new long[] { -1, -1, 0, 0, 0, 0, 0, 0 }, [1, 8]);
        var packed = tensor(new long[] { 1, 1, 0, 0, 0, 0, 0, 0 }, [1, 8]);
        padded.narrow(1, 2, 6).copy_(tokens);
        var alone = model.call(tokens, null);

        Close.Check("left padding", alone, model.call(padded, new SequenceContext(null, left)).narrow(1, 2, 6), absolute: Tolerance);
        Close.Check("second document", alone, model.call(padded.clamp(min: 0), new SequenceContext(null, packed)).narrow(1, 2, 6), absolute: Tolerance);
        using var state = model.NewState(1);
        _ = model.call(padded.narrow(1, 0, 4), new SequenceContext(state, left.narrow(1, 0, 4)));
        Close.Check("streamed", alone.narrow(1, 2, 4), model.call(padded.narrow(1, 4, 4), new SequenceContext(state)), absolute: Tolerance);
    }

    [Fact]
    public void A_text_beyond_the_learned_positions_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var model = Model(builder => builder.AddLearnedPositions(4));

        var error = Assert.Throws<ArgumentException>(() => model.call(Tokens(1, 5), null));
        Assert.Contains("Position 4", error.Message, StringComparison.Ordinal);
        Assert.Contains("max_position_embeddings", error.Message, StringComparison.Ordinal);
        using var state = model.NewState(1);
        _ = model.call(Tokens(1, 3), new SequenceContext(state));
        Assert.Throws<ArgumentException>(() => model.call(Tokens(1, 2), new SequenceContext(state)));
        Assert.Equal(3, state.Position);
        _ = model.call(Tokens(1, 1), new SequenceContext(state));
        Assert.Throws<ArgumentException>(() => model.call(Tokens(1, 1), new SequenceContext(state)));
    }

    [Theory]
    [InlineData(11)]
    [InlineData(-1)]
    public void A_token_outside_the_vocabulary_is_named_with_its_place(long id)
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var tokens = tensor(new long[] { 1, 2, 3, 4, id, 5 }, [2, 3]);

        var error = Assert.Throws<ArgumentException>(() => model.call(tokens, null));

        Assert.Contains($"Token id {id} at row 1, column 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("11", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => model.call(tokens.to(ScalarType.Int32), null));
        Assert.Throws<ArgumentException>(() => model.call(tokens.view(-1), null));
    }

    [Fact]
    public void Tokens_at_padding_may_hold_anything()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var tokens = tensor(new long[] { -1, 2, 3, 99_999 }, [1, 4]);
        var segments = tensor(new long[] { -1, 0, 0, -1 }, [1, 4]);

        Close.Check("valid", model.call(tokens.narrow(1, 1, 2), null), model.call(tokens, new SequenceContext(null, segments)).narrow(1, 1, 2), absolute: Tolerance);
    }

    [Fact]
    public void A_refused_token_leaves_the_state_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(builder => builder.AddLearnedPositions(16));
        var tokens = Tokens(1, 6);
        using var state = model.NewState(1);
        _ = model.call(tokens.narrow(1, 0, 3), new SequenceContext(state));
        Assert.Throws<ArgumentException>(() => model.call(tensor(new long[] { 99 }, [1, 1]), new SequenceContext(state)));
        Assert.Throws<ArgumentException>(() => model.call(tensor(new long[] { 1, 1 }, [2, 1]), new SequenceContext(state)));

        Close.Check("the rest", model.call(tokens, null).narrow(1, 3, 3), model.call(tokens.narrow(1, 3, 3), new SequenceContext(state)), absolute: Tolerance);
    }

    [Fact]
    public void A_bidirectional_model_carries_no_state()
    {
        using var model = Model(builder => builder.Options.IsBidirectional = true);

        Assert.False(model.IsCausal);
        Assert.Throws<NotSupportedException>(() => model.NewState(1));
    }

    [Fact]
    public void No_call_leaves_a_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var model = Model(builder => builder.AddLearnedPositions(64));
        var (tokens, step) = (Tokens(2, 5), Tokens(2, 1));
        using var state = model.NewState(2);
        model.call(tokens, new SequenceContext(state)).Dispose();

        LiveTensors.Unchanged("A call", () => model.call(tokens, null).Dispose());
        LiveTensors.Unchanged("Steps", () =>
        {
            for (var count = 0; count < 20; count++)
                model.call(step, new SequenceContext(state)).Dispose();
        });
    }

    internal static LanguageModel Model(Action<LanguageModelBuilder>? change = null, int layerCount = 2)
    {
        var builder = ToyModel.Builder(layerCount).AddAttention(a => a.HeadCount = 2);
        change?.Invoke(builder);
        var model = builder.Build();
        model.eval();
        return model;
    }

    internal static Tensor Tokens(long batch, long length)
    {
        using var random = new Generator(12);
        return randint(0, ToyModel.VocabSize, [batch, length], ScalarType.Int64, generator: random);
    }

    private static Tensor Normed(LanguageModel model, Tensor x, string name)
    {
        var centred = x - x.mean([-1L], keepdim: true);
        var scale = (centred.square().mean([-1L], keepdim: true) + 1e-5).sqrt();
        return centred / scale * model.get_parameter($"{name}.weight")! + model.get_parameter($"{name}.bias")!;
    }

    private static Tensor Mapped(LanguageModel model, Tensor x, string name) =>
        einsum("bli,oi->blo", x, model.get_parameter($"{name}.weight")!) + model.get_parameter($"{name}.bias")!;

    private static Tensor Attended(LanguageModel model, Tensor x)
    {
        var heads = new[] { "q_proj", "k_proj", "v_proj" }.Select(name => Mapped(model, x, $"layers.0.mixer.{name}").view(2, 5, 2, 4)).ToArray();
        var scores = einsum("blhp,bmhp->bhlm", heads[0], heads[1]) / Math.Sqrt(4);
        var hidden = ones(5, 5, dtype: ScalarType.Bool).tril().logical_not();
        var weights = scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1);
        return Mapped(model, einsum("bhlm,bmhp->blhp", weights, heads[2]).reshape(2, 5, 8), "layers.0.mixer.out_proj");
    }

    private static Tensor Fed(LanguageModel model, Tensor x)
    {
        var inner = Mapped(model, x, "layers.0.mlp.fc1");
        var active = inner * 0.5 * ((inner + inner.pow(3) * 0.044715) * Math.Sqrt(2 / Math.PI)).tanh().add(1);
        return Mapped(model, active, "layers.0.mlp.fc2");
    }
}
