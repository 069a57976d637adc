using System.Globalization;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public class ModelConfigTests
{
    [Fact]
    public void Its_text_is_pinned()
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2 };
        builder.AddAttention(attention => attention.HeadCount = 2, layers: [1]).AddDenseLinear(sites: ["q_proj"]);

        Assert.Equal(
            """
            {
              "format": 2,
              "model": {
                "vocab_size": 11,
                "d_model": 8,
                "n_layer": 2,
                "is_bidirectional": false,
                "tie_word_embeddings": true,
                "initializer": "normal",
                "initializer_range": 0.02,
                "embedding_dropout_rate": 0,
                "residual_dropout_rate": 0,
                "seed": 0
              },
              "components": [
                {
                  "slot": "mixer",
                  "kind": "attention",
                  "package": "LmKit.Core",
                  "layers": [
                    1
                  ],
                  "sites": null,
                  "options": {
                    "num_attention_heads": 2,
                    "num_key_value_heads": 0,
                    "head_dim": 0,
                    "has_bias": true,
                    "has_output_bias": null,
                    "query_key_norm": "none",
                    "scale": null,
                    "scale_attn_by_inverse_layer_idx": false,
                    "attn_logit_softcapping": null,
                    "has_sinks": false,
                    "clip_qkv": null,
                    "attention_dropout": 0,
                    "cache_format": "full"
                  }
                },
                {
                  "slot": "linear",
                  "kind": "dense",
                  "package": "LmKit.Core",
                  "layers": null,
                  "sites": [
                    "q_proj"
                  ],
                  "options": {}
                }
              ]
            }

            """.ReplaceLineEndings("\n"),
            builder.Config.ToJson());
    }

    [Fact]
    public void It_round_trips_and_equal_texts_are_equal_configurations()
    {
        var config = Full().Config;
        var read = ModelConfig.FromJson(config.ToJson());

        Assert.Equal(config.ToJson(), read.ToJson());
        Assert.Equal(config, read);
        Assert.Equal(config.GetHashCode(), read.GetHashCode());
        Assert.NotEqual(config, Full().AddMlp().Config);
    }

    [Fact]
    public void Its_text_does_not_depend_on_the_culture()
    {
        var here = CultureInfo.CurrentCulture;
        var expected = Full().Config.ToJson();
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
            Assert.Equal(expected, Full().Config.ToJson());
            Assert.Equal(expected, ModelConfig.FromJson(expected).ToJson());
        }
        finally
        {
            CultureInfo.CurrentCulture = here;
        }
    }

    [Fact]
    public void A_model_rebuilt_from_the_text_is_the_same_model()
    {
        using var scope = NewDisposeScope();
        using var first = Full().Build();
        using var second = LanguageModel.Build(ModelConfig.FromJson(first.Config.ToJson()), new ComponentRegistry(), dtype: ScalarType.Float64);
        var tokens = tensor(new long[] { 1, 2, 3, 4 }, [1, 4]);
        first.eval();
        second.eval();

        Close.Check("logits", first.call(tokens, null), second.call(tokens, null));
    }

    [Fact]
    public void Later_changes_of_the_builder_leave_a_configuration_as_it_is()
    {
        var builder = Full();
        var config = builder.Config;
        var text = config.ToJson();
        builder.VocabSize = 99;
        builder.AddMlp();

        Assert.Equal(text, config.ToJson());
    }

    [Theory]
    [InlineData("not json", "$", "JSON")]
    [InlineData("[]", "$", "object")]
    [InlineData("{}", "$.format", "missing")]
    [InlineData("{\"format\": 3, \"model\": {}, \"components\": []}", "$.format", "3")]
    [InlineData("{\"format\": 0, \"model\": {}, \"components\": []}", "$.format", "0")]
    [InlineData("{\"format\": \"1\", \"model\": {}, \"components\": []}", "$.format", "1")]
    [InlineData("{\"format\": 1, \"components\": []}", "$.model", "missing")]
    [InlineData("{\"format\": 1, \"model\": {}, \"components\": [], \"extra\": 1}", "$.extra", "unknown")]
    public void Text_that_is_no_configuration_is_refused_with_the_place(string json, string path, string word)
    {
        var error = Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(json));

        Assert.Equal(path, error.Path);
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.d_model", "0", "$.model.d_model", "ModelDim = 0")]
    [InlineData("model.embedding_dropout_rate", "1.5", "$.model.embedding_dropout_rate", "EmbeddingDropoutRate = 1.5")]
    [InlineData("model.width", "8", "$.model", "width")]
    [InlineData("model.d_model", "\"8\"", "$.model.d_model", "\"8\"")]
    [InlineData("components.0.slot", "\"nothing\"", "$.components[0]", "nothing")]
    [InlineData("components.0.layers", "3", "$.components[0]", "")]
    public void A_bad_value_in_the_text_is_refused_with_place_and_value(string place, string value, string path, string word)
    {
        var root = JsonNode.Parse(Full().Config.ToJson())!;
        var steps = place.Split('.');
        var parent = steps[..^1].Aggregate(root, (node, step) => int.TryParse(step, CultureInfo.InvariantCulture, out var index) ? node[index]! : node[step]!);
        parent[steps[^1]] = JsonNode.Parse(value);

        var error = Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(root.ToJsonString()));

        Assert.StartsWith(path, error.Path, StringComparison.Ordinal);
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    private static LanguageModelBuilder Full()
    {
        return ToyModel.Builder().AddLearnedPositions(16).AddAttention().AddRotary(rotary => rotary.Base = 12345.5).AddGatedMlp(layers: [1]).AddRmsNorm(norm => norm.Epsilon = 1e-6)
            .AddAutoregressiveSampler(sampler => sampler.Temperature = 0.8);
    }
}
