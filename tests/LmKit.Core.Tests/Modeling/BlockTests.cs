using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Every layout of a layer in a whole model: its formula, its hook points, its gradients, its dropout, its folder.</summary>
[NoTensorLeak]
public class BlockTests
{
    private const double Tolerance = 1e-12;

    private static readonly string[] points = ["resid_pre", "mixer_out", "resid_mid", "mlp_out", "resid_post"];

    public static TheoryData<string> Layouts => ["sequential", "bloom", "parallel", "one norm", "sandwich", "post norm"];

    public static TheoryData<string> AllLayouts => [.. Layouts, "toy"];

    [Theory]
    [MemberData(nameof(Layouts))]
    public void A_layer_is_its_formula_and_its_points_are_the_sums(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(layout, layerCount: 1);
        var at = new Dictionary<string, Tensor>();
        foreach (var name in points)
            _ = model.HookPoints[$"layers.0.{name}"].Attach(activation => at[name] = activation.clone().MoveToOuterDisposeScope().DetachFromDisposeScope());
        model.Hidden(LanguageModelTests.Tokens(2, 5)).Dispose();
        var x = at["resid_pre"];
        var block = (nn.Module)model.Blocks[0];

        var (mixed, middle, fed, y) = layout switch
        {
            "sequential" => Sequential(x, after: false),
            "bloom" => Sequential(x, after: true),
            "parallel" => Parallel(Mix(Norm("norm1", x)), Feed(Norm("norm2", x))),
            "one norm" => Parallel(Mix(Norm("norm1", x)), Feed(Norm("norm1", x))),
            "sandwich" => Sums(Norm("post_norm1", Mix(Norm("norm1", x))), middle => Norm("post_norm2", Feed(Norm("norm2", middle)))),
            _ => Sums(Norm("post_norm1", Mix(x)), middle => Norm("post_norm2", Feed(middle))),
        };

        Close.Check("mixer_out", mixed, at["mixer_out"], absolute: Tolerance);
        Close.Check("resid_mid", middle, at["resid_mid"], absolute: Tolerance);
        Close.Check("mlp_out", fed, at["mlp_out"], absolute: Tolerance);
        Close.Check("resid_post", y, at["resid_post"], absolute: Tolerance);
        foreach (var tensor in at.Values)
            tensor.Dispose();

        Tensor Norm(string name, Tensor input) => ((nn.Module<Tensor, Tensor>)block.named_children().Single(child => child.name == name).module).call(input);
        Tensor Mix(Tensor input) => ((IMixer)block.named_children().Single(child => child.name == "mixer").module).call(input);
        Tensor Feed(Tensor input) => ((nn.Module<Tensor, Tensor>)block.named_children().Single(child => child.name == "mlp").module).call(input);
        (Tensor, Tensor, Tensor, Tensor) Parallel(Tensor mixed, Tensor fed) => (mixed, x + mixed, fed, x + mixed + fed);

        (Tensor, Tensor, Tensor, Tensor) Sums(Tensor mixed, Func<Tensor, Tensor> feed)
        {
            var fed = feed(x + mixed);
            return (mixed, x + mixed, fed, x + mixed + fed);
        }

        (Tensor, Tensor, Tensor, Tensor) Sequential(Tensor input, bool after)
        {
            var h = Norm("norm1", input);
            var mixed = Mix(h);
            var middle = (after ? h : input) + mixed;
            var g = Norm("norm2", middle);
            return (mixed, middle, Feed(g), (after ? g : middle) + Feed(g));
        }
    }

    [Theory]
    [MemberData(nameof(Layouts))]
    public void An_edit_at_each_point_acts(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(layout);
        var tokens = LanguageModelTests.Tokens(2, 5);
        var before = model.call(tokens, null);
        foreach (var name in points)
        {
            using var attached = model.HookPoints[$"layers.0.{name}"].Attach(activation => activation * linspace(0.5, 1.5, ToyModel.ModelDim, ScalarType.Float64));
            Assert.True((model.call(tokens, null) - before).abs().max().item<double>() > 1e-6, name);
        }
    }

    [Fact]
    public void An_edit_of_a_parallel_layers_middle_reaches_the_output_and_not_the_feed_forward_part()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model("parallel", layerCount: 1);
        var tokens = LanguageModelTests.Tokens(1, 4);
        var (fed, outputs) = (new List<Tensor>(), new List<Tensor>());
        using var first = model.HookPoints["layers.0.mlp_out"].Attach(activation => Keep(fed, activation));
        using var second = model.HookPoints["layers.0.resid_post"].Attach(activation => Keep(outputs, activation));
        model.Hidden(tokens).Dispose();
        using (model.HookPoints["layers.0.resid_mid"].Attach(activation => activation + 1))
            model.Hidden(tokens).Dispose();

        Close.Check("mlp_out", fed[0], fed[1]);
        Close.Check("resid_post", outputs[0] + 1, outputs[1], absolute: Tolerance);
        fed.Concat(outputs).ToList().ForEach(tensor => tensor.Dispose());

        static Tensor Keep(List<Tensor> kept, Tensor activation)
        {
            kept.Add(activation.clone().DetachFromDisposeScope());
            return activation;
        }
    }

    [Theory]
    [MemberData(nameof(AllLayouts))]
    public void A_gradient_reaches_every_parameter(string layout)
    {
        using var scope = NewDisposeScope();
        using var model = Model(layout);
        NextTokenLoss.Of(model, LanguageModelTests.Tokens(2, 6)).Sum.backward();

        // A constant on all keys cancels in softmax, so their bias has none.
        Assert.All(model.named_parameters().Where(entry => !entry.name.EndsWith("k_proj.bias", StringComparison.Ordinal)), entry =>
            Assert.True(entry.parameter.grad is { } gradient && gradient.abs().max().item<double>() > 1e-9, entry.name));
        model.zero_grad();
    }

    [Theory]
    [MemberData(nameof(AllLayouts))]
    public void Residual_dropout_acts_on_both_branches_in_training_only(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(layout, change: builder => builder.Options.ResidualDropoutRate = 0.5);
        using var plain = Model(layout);
        var tokens = LanguageModelTests.Tokens(2, 6);
        Close.Check("evaluation", plain.call(tokens, null), model.call(tokens, null));
        model.train();
        string[] names = layout == "toy" ? ["resid"] : ["mixer_out", "mlp_out"];
        if (layout == "toy")
        {
            Assert.True((model.call(tokens, null) - plain.call(tokens, null)).abs().max().item<double>() > 1e-3);
            return;
        }
        foreach (var name in names)
        {
            var zeros = 0L;
            using var attached = model.HookPoints[$"layers.1.{name}"].Attach(activation =>
            {
                using var isZero = activation.eq(0);
                zeros = isZero.sum().item<long>();
                return activation;
            });
            model.call(tokens, null).Dispose();
            Assert.InRange(zeros, 20, 76); // of 96
        }
    }

    [Theory]
    [MemberData(nameof(AllLayouts))]
    public void A_model_is_saved_and_loaded_with_its_layout(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var model = Model(layout);
        var tokens = LanguageModelTests.Tokens(2, 6);
        model.Save(folder.Path);
        using var loaded = LanguageModel.Load(folder.Path, kinds => kinds.Add(ToyParts.Block));

        Assert.Equal(model.Config, loaded.Config);
        Close.Check("logits", model.call(tokens, null), loaded.call(tokens, null));
    }

    [Theory]
    [MemberData(nameof(AllLayouts))]
    public void However_a_text_is_cut_the_logits_equal_the_whole(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(layout);
        var tokens = LanguageModelTests.Tokens(2, 9);
        using var state = model.NewState(2);
        var pieces = new[] { (0L, 1L), (1, 5), (6, 3) }.Select(part => model.call(tokens.narrow(1, part.Item1, part.Item2), new SequenceContext(state))).ToList();

        Close.Check("logits", model.call(tokens, null), cat(pieces, 1), absolute: 1e-11);
    }

    [Theory]
    [MemberData(nameof(AllLayouts))]
    public void In_a_bidirectional_model_tokens_see_later_ones_and_no_state_is_carried(string layout)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model(layout, change: builder => builder.Options.IsBidirectional = true);
        var tokens = LanguageModelTests.Tokens(1, 6);
        var changed = tokens.clone();
        changed[0, 5] = (tokens[0, 5] + 1) % ToyModel.VocabSize;

        Assert.True((model.call(changed, null) - model.call(tokens, null)).select(1, 0).abs().max().item<double>() > 1e-6);
        Assert.All(model.Blocks, block => Assert.False(block.IsCausal));
        Assert.Throws<NotSupportedException>(() => model.NewState(1));
    }

    [Fact]
    public void Layers_differ_where_the_configuration_says_so()
    {
        using var model = ToyModel.Builder(3).AddAttention().AddParallelBlock(parallel => parallel.HasOneNorm = true).AddSandwichBlock([1]).AddPostNormBlock([2]).Build();

        Assert.Equal([nameof(ParallelBlock), nameof(SandwichBlock), nameof(PostNormBlock)], model.Blocks.Select(block => block.GetType().Name));
        Assert.Equal(
            ["layers.0.norm1", "layers.1.norm1", "layers.1.norm2", "layers.1.post_norm1", "layers.1.post_norm2", "layers.2.post_norm1", "layers.2.post_norm2"],
            model.named_parameters().Select(entry => entry.name).Where(name => name.Contains("norm", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal)).Select(name => name[..^7]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Blooms_residual_computes_each_norm_once()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var calls = new List<string>();
        var counted = Slots.Norm.Define("counted", layer => new CountedNorm(layer.Path, calls));
        using var model = ToyModel.Builder(1).AddAttention().AddSequentialBlock(block => block.IsResidualAfterNorm = true).Add(counted, [0]).Build();
        model.call(LanguageModelTests.Tokens(1, 3), null).Dispose();

        Assert.Equal(["layers.0.norm1", "layers.0.norm2"], calls);
    }

    private static LanguageModel Model(string layout, int layerCount = 2, Action<LanguageModelBuilder>? change = null)
    {
        var builder = ToyModel.Builder(layerCount).AddAttention(attention => attention.HeadCount = 2);
        change?.Invoke(builder);
        builder = layout switch
        {
            "sequential" => builder.AddSequentialBlock(),
            "bloom" => builder.AddSequentialBlock(block => block.IsResidualAfterNorm = true),
            "parallel" => builder.AddParallelBlock(),
            "one norm" => builder.AddParallelBlock(block => block.HasOneNorm = true),
            "sandwich" => builder.AddSandwichBlock(),
            "post norm" => builder.AddPostNormBlock(),
            _ => builder.Add(ToyParts.Block, block => block.Gain = 0.7),
        };
        return builder.Build();
    }

    private sealed class CountedNorm(string path, List<string> calls) : nn.Module<Tensor, Tensor>(nameof(CountedNorm))
    {
        public override Tensor forward(Tensor x)
        {
            calls.Add(path);
            return x * 0.5;
        }
    }
}
