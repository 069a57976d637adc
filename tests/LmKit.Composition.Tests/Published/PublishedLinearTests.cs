using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Linears and their wrappers that one line gives a published model: adapters, packed weights, Monarch.</summary>
[NoTensorLeak]
public sealed class PublishedLinearTests
{
    public static TheoryData<string> Folders => new(PublishedScene.Names);

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void A_fresh_adapter_changes_no_bit_a_filled_one_does_and_merged_it_is_the_same_within_rounding(string name)
    {
        using var scope = NewDisposeScope();
        using var plain = PublishedScene.Load(name);
        using var adapted = PublishedScene.Load(name, builder => builder.UseLora(lora => lora.Rank = 3));
        foreach (var ((way, expected), (_, actual)) in plain.All().Zip(adapted.All()))
            Assert.True(expected.equal(actual).all().item<bool>(), $"{name}, {way}: a fresh adapter changed a bit.");

        Fill(adapted.Model);
        var filled = adapted.All().ToList();
        Assert.True(PublishedScene.Distance(plain.Whole(), filled[0].Logits) > 1e-3);
        foreach (var (way, actual) in filled.Skip(1).Take(2))
            Close.Check(way, filled[0].Logits, actual, relativeToLargest: 1e-12);
        Assert.True(LoraAdapters.Merge(adapted.Model) > 0);
        foreach (var ((way, expected), (_, actual)) in filled.Zip(adapted.All()))
            Close.Check($"merged, {way}", expected, actual, relativeToLargest: 1e-12);
        LoraAdapters.Unmerge(adapted.Model);
        Assert.True(filled[0].Logits.equal(adapted.Whole()).all().item<bool>());
        LoraAdapters.Enable(adapted.Model, false);
        Assert.True(plain.Whole().equal(adapted.Whole()).all().item<bool>());
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void With_adapters_it_is_refused_by_its_layout_and_merged_into_its_weights_it_is_saved_and_loaded(string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var adapted = PublishedScene.Load(name, builder => builder.UseLora(lora => lora.Rank = 2));
        Fill(adapted.Model);
        var error = Assert.Throws<ConfigurationException>(() => adapted.Published.Save(folder.Path, null));
        using var merged = LoraAdapters.MergeAndUnload(adapted.Model);
        adapted.Published.Layout.Save(folder.Path, merged);
        using var loaded = PublishedModel.Load(folder.Path);
        using var quiet = no_grad();

        Assert.Contains("lora", error.Message, StringComparison.OrdinalIgnoreCase);
        Close.Check("saved", adapted.Whole(), loaded.Model.call(adapted.Expected("input_ids"), null), relativeToLargest: 1e-12);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Packed_linears_compute_what_their_weights_say(string name)
    {
        using var scope = NewDisposeScope();
        using var plain = PublishedScene.Load(name, dtype: ScalarType.Float32);
        foreach (var (format, tolerance) in new[] { (WeightFormat.Full, 2e-5), (WeightFormat.BFloat16, 5e-2) })
        {
            using var packed = PublishedScene.Load(name, builder => builder.AddPackedLinear(options => options.Format = format), ScalarType.Float32);
            foreach (var ((way, expected), (_, actual)) in plain.All().Zip(packed.All()))
                Close.Check($"{name}, {format}, {way}", expected, actual, relativeToLargest: tolerance);
            Assert.Equal(format == WeightFormat.BFloat16, PublishedScene.Distance(plain.Whole(), packed.Whole()) > 1e-4);
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Monarch_linears_have_no_place_for_published_weights_and_are_refused_by_name(string name)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<ConfigurationException>(() => PublishedScene.Load(name, builder => builder.AddMonarchLinear(monarch => monarch.BlockCount = 2)));
        var layout = PublishedLayout.Read(PublishedScene.PathOf(name));
        using var trained = layout.CreateBuilder().AddMonarchLinear(monarch => monarch.BlockCount = 2).Build();
        var refused = Assert.Throws<ConfigurationException>(() => layout.Save(folder.Path, trained));

        Assert.Contains("the change leaves no place for 'layers.0.", error.Message, StringComparison.Ordinal);
        Assert.Contains("monarch", refused.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.Path));
    }

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void In_bfloat16_it_stays_near_what_it_is_in_float64(string name)
    {
        using var scope = NewDisposeScope();
        using var half = PublishedScene.Load(name, dtype: ScalarType.BFloat16);
        var expected = half.Expected("logits");

        Assert.All(half.Model.parameters().Where(parameter => parameter.dim() == 2), parameter => Assert.Equal(ScalarType.BFloat16, parameter.dtype));
        foreach (var (way, logits) in half.All().Take(3))
        {
            Assert.Equal(ScalarType.BFloat16, logits.dtype);
            Close.Check($"{name}, {way}", expected, logits.to(ScalarType.Float64), relativeToLargest: 0.1);
        }
    }

    internal static void Fill(LanguageModel model)
    {
        using var frozen = no_grad();
        using var random = new Generator(7);
        foreach (var (_, parameter) in model.named_parameters().Where(entry => entry.name.Contains("lora_", StringComparison.Ordinal)))
        {
            using var values = randn(parameter.shape, generator: random) * 0.2;
            _ = parameter.copy_(values);
        }
    }
}
