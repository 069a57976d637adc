using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class ActivationTapTests
{
    private const string Point = "layers.0.resid_post";

    [Fact]
    public void Reading_changes_nothing_and_ends_with_the_tap()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        var tokens = Tokens();
        var before = model.call(tokens, null);
        var tap = ActivationTap.Read(model, Point);
        Assert.Null(tap.Latest);

        Close.Check("logits", before, model.call(tokens, null));
        Assert.Equal([2, 5, ToyModel.ModelDim], tap.Latest!.shape);
        tap.Dispose();
        Assert.Null(tap.Latest);
        Close.Check("logits after", before, model.call(tokens, null));
    }

    [Fact]
    public void An_edit_acts_while_its_tap_lives()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        var tokens = Tokens();
        var before = model.call(tokens, null);
        using (ActivationTap.Edit(model, Point, activation => zeros_like(activation)))
            Assert.True((model.call(tokens, null) - before).abs().max().item<double>() > 1e-6);

        Close.Check("logits after", before, model.call(tokens, null));
    }

    [Fact]
    public void An_unknown_point_is_refused_with_the_known_ones()
    {
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        var error = Assert.Throws<ArgumentException>(() => ActivationTap.Read(model, "layers.9.resid_post"));

        Assert.Contains("layers.9.resid_post", error.Message, StringComparison.Ordinal);
        Assert.Contains(Point, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(InputNormalization.None)]
    [InlineData(InputNormalization.PerRowStandardize)]
    public void A_splice_that_keeps_its_error_changes_only_what_is_edited(InputNormalization normalization)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        using var autoencoder = Parameters.Make(parameters => new TopKAutoencoder(
            new TopKOptions { ModelDim = ToyModel.ModelDim, FeatureCount = 20, ActiveCount = 4, InputNormalization = normalization }, parameters));
        var tokens = Tokens();
        var before = model.call(tokens, null);
        using (ActivationTap.Splice(model, Point, autoencoder))
            Close.Check("no edit", before, model.call(tokens, null));
        using (ActivationTap.Splice(model, Point, autoencoder, edits: [FeatureEdit.Scale(3, 1)]))
            Close.Check("edit of nothing", before, model.call(tokens, null), absolute: 1e-10);
        using (ActivationTap.Splice(model, Point, autoencoder, edits: [FeatureEdit.Clamp(3, 5)]))
            Assert.True((model.call(tokens, null) - before).abs().max().item<double>() > 1e-6);
        using (ActivationTap.Splice(model, Point, autoencoder, keepsError: false))
            Assert.True((model.call(tokens, null) - before).abs().max().item<double>() > 1e-6);
        Assert.Contains("20", Assert.Throws<ArgumentException>(() => ActivationTap.Splice(model, Point, autoencoder, edits: [FeatureEdit.Ablate(20)])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Edits_do_what_their_names_say()
    {
        using var scope = NewDisposeScope();
        var codes = tensor(new[] { 1.0, 2, 3 }).unsqueeze(0);
        void Check(FeatureEdit edit, double wanted) => Close.Check(edit.ToString(), tensor(new[] { 1.0, wanted, 3 }).unsqueeze(0), edit.Apply(codes));
        Check(FeatureEdit.Ablate(1), 0);
        Check(FeatureEdit.Scale(1, 3), 6);
        Check(FeatureEdit.Clamp(1, 9), 9);
        Check(FeatureEdit.Steer(1, 0.5), 2.5);
    }

    private static Tensor Tokens() => tensor(new long[] { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }).reshape(2, 5);
}
