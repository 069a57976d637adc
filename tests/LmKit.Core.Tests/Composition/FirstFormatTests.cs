using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Configurations as versions before wrote them, with positions among the options of attention and of the model, give the same models.</summary>
[NoTensorLeak]
public sealed class FirstFormatTests
{
    private static readonly string Plain = Attention("none");
    private static readonly string Rotary = Attention("rotary", null, 2, 5000.5, "true");

    public static TheoryData<string> Names => [.. Cases.Keys];

    // What the file holds, and the verbs that say the same today.
    private static Dictionary<string, (string Text, Func<LanguageModelBuilder, LanguageModelBuilder> Verbs)> Cases => new()
    {
        ["none"] = (Config(0, Plain), builder => builder.AddAttention(Heads)),
        ["rotary"] = (Config(0, Rotary), builder => builder.AddAttention(Heads).AddRotary(Turned)),
        ["alibi"] = (Config(0, Attention("alibi")), builder => builder.AddAttention(Heads).AddAlibi()),
        ["learned"] = (Config(16, Plain), builder => builder.AddLearnedPositions(16).AddAttention(Heads)),
        ["learned and rotary"] = (Config(16, Rotary), builder => builder.AddLearnedPositions(16).AddAttention(Heads).AddRotary(Turned)),
        ["none beside rotary"] = (Config(0, Rotary, Attention("none", 1)), builder => builder.AddAttention(Heads).AddRotary(Turned, layers: [0])),
        ["alibi beside none beside learned"] = (Config(16, Plain, Attention("alibi", 1)), builder => builder.AddLearnedPositions(16).AddAttention(Heads).AddAlibi(layers: [1])),
        ["rotary of one layer over another's"] = (Config(0, Rotary, Attention("rotary", 0)), builder => builder.AddAttention(Heads).AddRotary(Turned).AddRotary(layers: [0])),
        ["alibi in no layer"] = (Config(0, Rotary, Nowhere(Attention("alibi"))), builder => builder.AddAttention(Heads).AddRotary(Turned)),
        ["a feed-forward part in no layer"] = (Config(0, Plain, Nowhere(Gated)), builder => builder.AddAttention(Heads)),
        ["rotary in layers that a later mixer takes"] = (Config(0, Rotary, Plain), builder => builder.AddAttention(Heads)),
        ["rotary where other mixers are"] = (Config(0, Plain, Attention("rotary", 1), Sum), builder => builder.AddAttention(Heads).Add(SumKind, layers: [1])),
    };

    private static string Nowhere(string part) => part.Replace("\"layers\": null", "\"layers\": []", StringComparison.Ordinal);

    private static string Gated => """{ "slot": "feed_forward", "kind": "gated_mlp", "package": "LmKit.Core", "layers": null, "sites": null, "options": {} }""";

    private static string Sum => """{ "slot": "mixer", "kind": "sum", "package": "LmKit.Core.Tests", "layers": [1], "sites": null, "options": {} }""";

    private static Kind<IMixer> SumKind { get; } = Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim));

    [Theory]
    [MemberData(nameof(Names))]
    public void A_configuration_of_the_first_format_builds_the_model_that_it_built(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (text, verbs) = Cases[name];
        using var old = LanguageModel.Build(ModelConfig.FromJson(text), new ComponentRegistry().Add(SumKind), dtype: ScalarType.Float64);
        using var model = verbs(ToyModel.Builder()).Build();

        Assert.Equal(model.named_parameters().Select(pair => pair.name), old.named_parameters().Select(pair => pair.name));
        Assert.Equal(model.ContextLength, old.ContextLength);
        Assert.Equal(model.HookPoints.Keys, old.HookPoints.Keys);
        Assert.True(model.call(LanguageModelTests.Tokens(2, 12), null).Equals(old.call(LanguageModelTests.Tokens(2, 12), null)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_it_reads_as_is_of_the_present_format_and_stays_the_same(string name)
    {
        using var old = LanguageModel.Build(ModelConfig.FromJson(Cases[name].Text), new ComponentRegistry().Add(SumKind), dtype: ScalarType.Float64);
        using var again = LanguageModel.Build(ModelConfig.FromJson(old.Config.ToJson()), new ComponentRegistry().Add(SumKind), dtype: ScalarType.Float64);

        Assert.Contains("\"format\": 2", old.Config.ToJson(), StringComparison.Ordinal);
        Assert.DoesNotContain("position_encoding", old.Config.ToJson(), StringComparison.Ordinal);
        Assert.Equal(old.Config, again.Config);
    }

    [Fact]
    public void A_folder_of_the_first_format_loads_and_is_saved_in_the_present_one()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        var (text, verbs) = Cases["learned and rotary"];
        var builder = verbs(ToyModel.Builder());
        builder.Options.Seed = 77;
        using var model = builder.Build();
        model.Save(folder["m"]);
        File.WriteAllText(Path.Combine(folder["m"], "config.json"), text);
        using var loaded = LanguageModel.Load(folder["m"]);
        loaded.Save(folder["m"]);
        using var again = LanguageModel.Load(folder["m"]);

        foreach (var one in new[] { loaded, again })
            Assert.True(model.call(LanguageModelTests.Tokens(2, 12), null).Equals(one.call(LanguageModelTests.Tokens(2, 12), null)));
        Assert.Contains("\"format\": 2", File.ReadAllText(Path.Combine(folder["m"], "config.json")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"rotary_dim\": 2", "\"rotary_dim\": -2", "rotary_dim")]
    [InlineData("\"rotary_dim\": 2", "\"rotary_dim\": 6", "RotaryOptions.Dim = 6")]
    [InlineData("\"position_encoding\": \"rotary\"", "\"position_encoding\": \"spiral\"", "spiral")]
    [InlineData("\"position_encoding\": \"rotary\"", "\"position_encoding\": 3", "position_encoding = 3")]
    [InlineData("\"max_position_embeddings\": 16", "\"max_position_embeddings\": -1", "max_position_embeddings")]
    [InlineData("\"max_position_embeddings\": 16", "\"max_position_embeddings\": \"many\"", "many")]
    [InlineData("\"has_bias\": true", "\"has_biases\": true", "has_biases")]
    public void A_value_that_could_not_be_is_refused_still(string before, string after, string word)
    {
        var text = Cases["learned and rotary"].Text;
        Assert.Contains(before, text, StringComparison.Ordinal);
        var error = Assert.Throws<ConfigurationException>(() =>
            LanguageModel.Build(ModelConfig.FromJson(text.Replace(before, after, StringComparison.Ordinal)), new ComponentRegistry()).Dispose());

        Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    private static void Heads(AttentionOptions attention) => attention.HeadCount = 2;

    private static void Turned(RotaryOptions rotary) => (rotary.Dim, rotary.Base, rotary.IsInterleaved) = (2, 5000.5, true);

    private static string Config(long positions, params string[] components) => $$"""
        {
          "format": 1,
          "model": {
            "vocab_size": {{ToyModel.VocabSize}},
            "d_model": {{ToyModel.ModelDim}},
            "n_layer": 2,
            "is_bidirectional": false,
            "max_position_embeddings": {{positions}},
            "tie_word_embeddings": true,
            "initializer_range": 0.4,
            "embedding_dropout_rate": 0,
            "residual_dropout_rate": 0,
            "seed": 5
          },
          "components": [{{string.Join(", ", components)}}]
        }
        """;

    private static string Attention(string positions, int? layer = null, long dim = 0, double rotaryBase = 10_000, string isInterleaved = "false") => $$"""
        {
          "slot": "mixer",
          "kind": "attention",
          "package": "LmKit.Core",
          "layers": {{(layer is null ? "null" : $"[{layer}]")}},
          "sites": null,
          "options": {
            "num_attention_heads": 2,
            "num_key_value_heads": 0,
            "head_dim": 0,
            "position_encoding": "{{positions}}",
            "rotary_dim": {{dim}},
            "rope_theta": {{rotaryBase.ToString(System.Globalization.CultureInfo.InvariantCulture)}},
            "rotary_interleaved": {{isInterleaved}},
            "has_bias": true,
            "attention_dropout": 0
          }
        }
        """;
}
