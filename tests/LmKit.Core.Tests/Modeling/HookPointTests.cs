using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class HookPointTests
{
    [Fact]
    public void Every_place_of_every_layer_has_a_name()
    {
        using var model = LanguageModelTests.Model(layerCount: 1);

        Assert.Equal(
            ["embeddings.out", "layers.0.mixer.k", "layers.0.mixer.q", "layers.0.mixer.v", "layers.0.mixer.z", "layers.0.mixer_out", "layers.0.mlp_out", "layers.0.resid_mid", "layers.0.resid_post", "layers.0.resid_pre", "ln_f.out"],
            model.HookPoints.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Reading_changes_nothing_and_sees_the_residual_sums()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model();
        var tokens = LanguageModelTests.Tokens(2, 4);
        var before = model.call(tokens, null);
        var seen = new Dictionary<string, Tensor>();
        var attached = model.HookPoints.Values.Select(point => point.Attach(activation =>
        {
            if (seen.Remove(point.Name, out var earlier))
                earlier.Dispose();
            seen[point.Name] = activation.clone().DetachFromDisposeScope();
            return activation;
        })).ToList();

        Close.Check("logits while reading", before, model.call(tokens, null));
        Close.Check("resid_mid", seen["layers.1.resid_pre"] + seen["layers.1.mixer_out"], seen["layers.1.resid_mid"]);
        Close.Check("resid_post", seen["layers.1.resid_mid"] + seen["layers.1.mlp_out"], seen["layers.1.resid_post"]);
        Close.Check("between layers", seen["layers.0.resid_post"], seen["layers.1.resid_pre"]);
        Close.Check("ln_f.out", model.Hidden(tokens), seen["ln_f.out"]);
        attached.ForEach(attachment => attachment.Dispose());
        foreach (var tensor in seen.Values)
            tensor.Dispose();
    }

    [Fact]
    public void Heads_are_seen_one_by_one_before_they_are_joined()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = HeadedModel();
        var tokens = LanguageModelTests.Tokens(2, 4);
        var before = model.call(tokens, null);
        var seen = new Dictionary<string, Tensor>();
        foreach (var name in (string[])["mixer.q", "mixer.k", "mixer.v", "mixer.z", "mixer_out"])
            model.HookPoints[$"layers.1.{name}"].Attach(activation => seen[name] = activation.clone().DetachFromDisposeScope());

        Close.Check("logits while reading", before, model.call(tokens, null));
        Assert.Equal([2, 4, 4, 2], seen["mixer.q"].shape);
        Assert.Equal([2, 4, 2, 2], seen["mixer.k"].shape);
        Assert.Equal([2, 4, 2, 2], seen["mixer.v"].shape);
        Assert.Equal([2, 4, 4, 2], seen["mixer.z"].shape);
        // The first token sees only itself: each pair of query heads brings its own value on.
        Close.Check("first token", seen["mixer.v"].select(1, 0).repeat_interleave(2, 1), seen["mixer.z"].select(1, 0), absolute: 1e-12);
        var output = model.state_dict();
        var joined = nn.functional.linear(seen["mixer.z"].reshape(2, 4, 8), output["layers.1.mixer.out_proj.weight"], output["layers.1.mixer.out_proj.bias"]);
        Close.Check("out_proj", joined, seen["mixer_out"], absolute: 1e-12);
        foreach (var tensor in seen.Values)
            tensor.Dispose();
    }

    [Fact]
    public void An_edited_head_acts_alone_and_alike_in_every_chunk()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = HeadedModel();
        var tokens = LanguageModelTests.Tokens(1, 5);
        var before = model.call(tokens, null);
        foreach (var name in (string[])["q", "k", "v", "z"])
        {
            using var attachment = model.HookPoints[$"layers.0.mixer.{name}"].Attach(heads => cat([heads.narrow(2, 0, 1) * 3, heads.narrow(2, 1, heads.size(2) - 1)], 2));
            var whole = model.call(tokens, null);
            Assert.True((whole - before).abs().max().item<double>() > 1e-6, name);
            using var state = model.NewState(1);
            var parts = new[] { (0L, 2L), (2, 3) }.Select(part => model.call(tokens.narrow(1, part.Item1, part.Item2), new SequenceContext(state))).ToArray();
            Close.Check(name, whole, cat(parts, 1), absolute: 1e-10);
        }

        Close.Check("after detaching", before, model.call(tokens, null));
    }

    [Fact]
    public void An_edit_is_what_the_model_goes_on_with_until_it_is_detached()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LanguageModelTests.Model(layerCount: 1);
        var tokens = LanguageModelTests.Tokens(2, 4);
        var before = model.call(tokens, null);
        var order = new List<string>();
        using (model.HookPoints["ln_f.out"].Attach(activation => Note("first", activation * 0)))
        using (model.HookPoints["ln_f.out"].Attach(activation => Note("second", activation + 1)))
        {
            var edited = model.call(tokens, null);
            Close.Check("edited", model.Logits(ones(2, 4, ToyModel.ModelDim, dtype: ScalarType.Float64)), edited, absolute: 1e-12);
            Assert.Equal(["first", "second"], order);
        }

        Close.Check("after detaching", before, model.call(tokens, null));

        Tensor Note(string name, Tensor activation)
        {
            order.Add(name);
            return activation;
        }
    }

    private static LanguageModel HeadedModel() =>
        ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).Build();
}
