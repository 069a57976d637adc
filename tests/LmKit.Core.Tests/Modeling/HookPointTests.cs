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
            ["embeddings.out", "layers.0.mixer_out", "layers.0.mlp_out", "layers.0.resid_mid", "layers.0.resid_post", "layers.0.resid_pre", "ln_f.out"],
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
}
