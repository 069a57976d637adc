using System.Collections.Immutable;
using System.ComponentModel;
using System.Text.Json;
using LmKit.Conformance;
using Snapshooter.Core.Serialization;

namespace LmKit.Core.Tests;

/// <summary>A configuration is a value: frozen, equal by its text, and shown whole by whatever writes the object down.</summary>
public sealed class ConfigurationValueTests
{
    // Each changes one size or one option.
    private static readonly Dictionary<string, Action<LanguageModelBuilder>> changes = new()
    {
        ["a size"] = builder => builder.ModelDim = 16,
        ["an option of the model"] = builder => builder.Options.ResidualDropoutRate = 0.25,
        ["the seed"] = builder => builder.Options.Seed = 6,
        ["an option of a component"] = builder => builder.AddAttention(attention => attention.HeadCount = 4, layers: [1]),
        ["an option of positions"] = builder => builder.AddRotary(rotary => rotary.Base = 500),
        ["a component"] = builder => builder.AddGatedMlp(),
    };

    public static TheoryData<string> Changes => [.. changes.Keys];

    [Fact]
    public void What_a_configuration_hands_out_is_a_copy()
    {
        var config = Builder().Config;
        var text = config.ToJson();
        config.Components[0].Options["num_attention_heads"] = 4;
        config.Components[0].Options.Clear();
        config.ReadOptions().ModelDim = 99;

        Assert.Equal(text, config.ToJson());
        Assert.Equal(2, config.Components[0].Options["num_attention_heads"]!.GetValue<int>());
        Assert.Equal(Builder().Config, config);
    }

    [Fact]
    public void What_a_configuration_was_given_may_change_afterwards()
    {
        AttentionOptions? kept = null;
        var builder = ToyModel.Builder().AddAttention(attention => (kept = attention).HeadCount = 2).AddRotary();
        var config = builder.Config;
        var text = config.ToJson();
        kept!.HeadCount = 4;
        builder.Options.Seed = 9;
        builder.AddAlibi();
        var options = Builder().Config.Components[0].Options;
        var entry = new ComponentEntry(Slots.Mixer, "attention", "LmKit.Core", options);
        var shown = entry.ToString();
        options["num_attention_heads"] = 4;

        Assert.Equal(text, config.ToJson());
        Assert.Equal(shown, entry.ToString());
        Assert.Equal(2, entry.Options["num_attention_heads"]!.GetValue<int>());
    }

    [Fact]
    public void Entries_made_alike_are_equal_and_others_are_not()
    {
        var (one, same) = (Builder().Config.Components, Builder().Config.Components);
        var others = new[] { Attention(4, null), Attention(2, [1]), Attention(2, [0, 1]) };

        Assert.Equal(one.AsEnumerable(), same);
        Assert.Equal(one.Select(entry => entry.GetHashCode()), same.Select(entry => entry.GetHashCode()));
        Assert.True(one[0] == same[0]);
        Assert.Equal(one[0], ModelConfig.FromJson(Builder().Config.ToJson()).Components[0]);
        Assert.Equal(4, others.Append(one[0]).Distinct().Count());
        Assert.Equal(4, others.Append(one[0]).Select(entry => entry.ToString()).Distinct().Count());

        static ComponentEntry Attention(int heads, int[]? layers) => ToyModel.Builder().AddAttention(attention => attention.HeadCount = heads, layers).Config.Components[0];
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void One_changed_size_or_option_shows_in_every_text_of_the_object(string change)
    {
        var changed = Builder();
        changes[change](changed);
        var (config, other) = (Builder().Config, changed.Config);

        Assert.NotEqual(config, other);
        foreach (var (name, write) in Writers)
        {
            Assert.Equal(write(config), write(Builder().Config));
            Assert.True(write(config) != write(other), $"{name} shows nothing of it.");
        }
    }

    [Fact]
    public void One_changed_option_shows_in_every_text_of_an_entry()
    {
        var (entry, same, other) = (Entry(1e-5), Entry(1e-5), Entry(1e-6));

        foreach (var (name, write) in Writers)
        {
            Assert.Equal(write(entry), write(same));
            Assert.True(write(entry) != write(other), $"{name} shows nothing of it.");
        }

        static ComponentEntry Entry(double epsilon) => ToyModel.Builder().AddRmsNorm(norm => norm.Epsilon = epsilon).Config.Components[0];
    }

    [Fact]
    public void It_comes_back_from_System_Text_Json_and_from_a_type_converter()
    {
        var config = Builder().Config;
        var converter = TypeDescriptor.GetConverter(typeof(ModelConfig));
        var text = converter.ConvertToInvariantString(config)!;

        Assert.Equal(config, JsonSerializer.Deserialize<ModelConfig>(JsonSerializer.Serialize(config)));
        Assert.Equal(config, JsonSerializer.Deserialize<Settings>(JsonSerializer.Serialize(new Settings(config, 3)))!.Model);
        Assert.True(converter.CanConvertFrom(typeof(string)));
        Assert.Equal(config, converter.ConvertFromInvariantString(text));
        Assert.Contains("$.model.d_model", Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ModelConfig>(text.Replace("\"d_model\": 8", "\"d_model\": 0", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_builder_goes_on_from_a_configuration_and_leaves_it_as_it_was()
    {
        var config = Builder().Config;
        var builder = LanguageModelBuilder.From(config);

        Assert.Equal(config, builder.Config);
        builder.ModelDim = 16;
        builder.AddGatedMlp();
        Assert.Equal(Builder().Config, config);
        Assert.Equal(["attention", "rotary", "gated_mlp"], builder.Config.Components.Select(entry => entry.Kind));
        Assert.Equal(16, builder.Config.ReadOptions().ModelDim);
    }

    [Fact]
    public void Lists_that_were_never_made_and_entries_that_are_not_there_are_refused()
    {
        var config = Builder().Config;

        Assert.Contains("Components was never made", Assert.Throws<ArgumentException>(() => new ModelConfig(config.ReadOptions(), default)).Message, StringComparison.Ordinal);
        Assert.Contains("Components was never made", Assert.Throws<ArgumentException>(() => config with { Components = default }).Message, StringComparison.Ordinal);
        Assert.Contains("Components holds null", Assert.Throws<ArgumentException>(() => config with { Components = [null!] }).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>("entry", () => config.With(null!));
        Assert.Throws<ArgumentException>("layers", () => new ComponentEntry(Slots.Mixer, "attention", "LmKit.Core", [], default(ImmutableArray<int>)));
        Assert.Throws<ArgumentException>("sites", () => new ComponentEntry(Slots.Linear, "dense", "LmKit.Core", [], null, default(ImmutableArray<string>)));
        Assert.NotEqual(config, config with { Components = [] });
    }

    private static IEnumerable<(string Name, Func<object, string> Write)> Writers =>
    [
        ("System.Text.Json", value => JsonSerializer.Serialize(value, value.GetType())),
        ("ToString", value => value.ToString()!),
        ("Snapshooter", new SnapshotSerializer(new GlobalSnapshotSettingsResolver()).SerializeObject),
    ];

    private static LanguageModelBuilder Builder() => ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary();

    private sealed record Settings(ModelConfig Model, int Steps);
}
