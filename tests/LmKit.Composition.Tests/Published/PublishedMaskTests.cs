using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A mask that one line gives a published model.</summary>
[NoTensorLeak]
public sealed class PublishedMaskTests
{
    private const double Tolerance = 1e-12;

    public static TheoryData<string, int[]?> Relative => new() { { "llama-gqa", null }, { "pythia-parallel", null }, { "gemma2", [1] }, { "gemma3-text", [2] } };

    [Theory]
    [MemberData(nameof(Relative))]
    [Trait("Category", "Golden")]
    public void Lambda_with_a_window_at_least_the_length_gives_equal_logits_in_the_layers_that_see_all(string name, int[]? layers)
    {
        using var scope = NewDisposeScope();
        using var plain = PublishedScene.Load(name);
        var length = plain.Expected("input_ids").size(1);
        foreach (var window in new[] { length, 4 * length })
        {
            using var changed = PublishedScene.Load(name, builder => builder.AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (window, 2), layers));
            foreach (var ((way, expected), (_, actual)) in plain.All().Zip(changed.All()))
                Close.Check($"{name}, window {window}, {way}", expected, actual, relativeToLargest: Tolerance);
        }
        Close.Check("official", plain.Expected("logits"), plain.Whole(), relativeToLargest: 1e-10);
    }

    [Theory]
    [MemberData(nameof(Relative))]
    [Trait("Category", "Golden")]
    public void Lambda_with_a_small_window_gives_other_logits_and_the_same_ones_however_the_text_is_read(string name, int[]? layers)
    {
        using var scope = NewDisposeScope();
        using var plain = PublishedScene.Load(name);
        using var changed = PublishedScene.Load(name, builder => builder.AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (4, 1), layers));
        var whole = changed.Whole();

        Assert.True(PublishedScene.Distance(plain.Whole(), whole) > 1e-3);
        Close.Check("the first tokens see all", plain.Whole().narrow(1, 0, 4), whole.narrow(1, 0, 4), relativeToLargest: Tolerance);
        Close.Check("one by one", whole, changed.Stepped(1), relativeToLargest: Tolerance);
        Close.Check("in fives", whole, changed.Stepped(5), relativeToLargest: Tolerance);
        var (padded, mask) = (changed.Padded(), changed.Expected("padded.attention_mask"));
        for (var row = 0; row < mask.size(0); row++)
        {
            using var quiet = no_grad();
            var count = mask[row].sum().ToInt64();
            var alone = changed.Model.call(changed.Expected("padded.input_ids").narrow(0, row, 1).narrow(1, mask.size(1) - count, count), null);
            Close.Check($"row {row}", alone[0], padded[row].narrow(0, mask.size(1) - count, count), relativeToLargest: Tolerance);
        }
    }

    // The mask of a layer is replaced, and nothing else of it: soft caps, scales and the other layers' masks stay.
    [Theory]
    [InlineData("gemma2", new[] { 0, 2 })]
    [InlineData("gemma3-text", new[] { 0, 1, 3 })]
    [Trait("Category", "Golden")]
    public void Lambda_takes_the_place_of_Gemmas_sliding_windows_in_the_layers_it_is_given(string name, int[] windowed)
    {
        using var scope = NewDisposeScope();
        using var plain = PublishedScene.Load(name);
        using var same = PublishedScene.Load(name, builder => builder.AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (6, 0), windowed));
        using var everywhere = PublishedScene.Load(name, builder => builder.AddLambdaMask(lambda => lambda.LocalLength = 1000));
        using var unwindowed = PublishedScene.Load(name, builder => builder.AddSlidingWindowMask(window => window.Window = 1000));

        foreach (var ((way, expected), (_, actual)) in plain.All().Zip(same.All()))
            Close.Check($"a window without starts, {way}", expected, actual, relativeToLargest: Tolerance);
        foreach (var ((way, expected), (_, actual)) in unwindowed.All().Zip(everywhere.All()))
            Close.Check($"in all layers, {way}", expected, actual, relativeToLargest: Tolerance);
        Assert.True(PublishedScene.Distance(plain.Whole(), everywhere.Whole()) > 1e-3);
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Gemmas_soft_cap_acts_under_Lambda()
    {
        using var scope = NewDisposeScope();
        using var capped = PublishedScene.Load("gemma2", Lambda);
        using var folder = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(capped.Folder))
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        var config = Path.Combine(folder.Path, "config.json");
        var text = File.ReadAllText(config);
        File.WriteAllText(config, text.Replace("\"attn_logit_softcapping\": 2.5", "\"attn_logit_softcapping\": null", StringComparison.Ordinal));
        using var uncapped = PublishedModel.Load(folder.Path, Lambda, dtype: ScalarType.Float64);
        using var quiet = no_grad();

        Assert.NotEqual(text, File.ReadAllText(config));
        Assert.True(PublishedScene.Distance(capped.Whole(), uncapped.Model.call(capped.Expected("input_ids"), null)) > 1e-2);

        static void Lambda(LanguageModelBuilder builder) => builder.AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (4, 1));
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Lambda_refuses_the_learned_positions_of_Gpt2_and_a_window_serves_them()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<ConfigurationException>(() => PublishedScene.Load("gpt2-base", builder => builder.AddLambdaMask()));
        using var plain = PublishedScene.Load("gpt2-base");
        using var wide = PublishedScene.Load("gpt2-base", builder => builder.AddSlidingWindowMask(window => window.Window = 40));
        using var narrow = PublishedScene.Load("gpt2-base", builder => builder.AddSlidingWindowMask(window => window.Window = 3));

        Assert.Contains("Learned absolute positions", error.Message, StringComparison.Ordinal);
        Assert.Contains("Lambda mask", error.Message, StringComparison.Ordinal);
        foreach (var ((way, expected), (_, actual)) in plain.All().Zip(wide.All()))
            Close.Check(way, expected, actual, relativeToLargest: Tolerance);
        Assert.True(PublishedScene.Distance(plain.Whole(), narrow.Whole()) > 1e-3);
        Close.Check("one by one", narrow.Whole(), narrow.Stepped(1), relativeToLargest: Tolerance);
    }
}
