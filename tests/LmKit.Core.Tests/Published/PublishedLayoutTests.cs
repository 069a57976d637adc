using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>Configurations of published models: what is read, what is assumed, what is refused.</summary>
[NoTensorLeak]
public class PublishedLayoutTests
{
    private static readonly Dictionary<string, string> sizes = new()
    {
        ["gpt2"] = """{"n_embd":24,"n_layer":2,"n_head":4,"n_positions":16}""",
        ["llama"] = """{"hidden_size":24,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":32,"max_position_embeddings":16}""",
        ["mistral"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":8,"intermediate_size":32,"max_position_embeddings":16}""",
        ["gpt_neox"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":32,"max_position_embeddings":16}""",
        ["gptj"] = """{"n_embd":256,"n_layer":2,"n_head":4,"n_positions":16}""",
        ["mpt"] = """{"d_model":24,"n_layers":2,"n_heads":4,"max_seq_len":16}""",
        ["qwen2"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":32,"intermediate_size":32}""",
        ["qwen3"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":32,"intermediate_size":32}""",
        ["gemma2"] = """{"hidden_size":64,"num_hidden_layers":3,"num_attention_heads":4,"intermediate_size":32}""",
        ["gemma3_text"] = """{"hidden_size":64,"num_hidden_layers":7,"num_attention_heads":4,"intermediate_size":32}""",
        ["phi3"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":32,"max_position_embeddings":16}""",
        ["bloom"] = """{"hidden_size":24,"n_layer":2,"n_head":4}""",
        ["olmo2"] = """{"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":32}""",
    };

    public static TheoryData<string> Families => [.. PublishedLayout.Families];

    [Fact]
    public void There_are_thirteen_families() => Assert.Equal(sizes.Keys.Order(StringComparer.Ordinal), PublishedLayout.Families);

    [Theory]
    [MemberData(nameof(Families))]
    public void Absent_keys_have_the_published_defaults(string family)
    {
        var layout = Read(family, "{}");
        var options = layout.Config.ReadOptions();
        var parts = layout.Config.Components.ToLookup(entry => entry.Slot.Name, entry => entry.Options);
        var attention = parts["mixer"].Single();
        Assert.Equal(family is "gpt2" or "mpt" or "gemma2" or "gemma3_text" or "bloom", options.IsHeadTied);
        var epsilon = (parts["norm"].Single()["layer_norm_epsilon"] ?? parts["norm"].Single()["rms_norm_eps"])!.GetValue<double>();
        Assert.Equal(family is "gpt2" or "gpt_neox" or "gptj" or "mpt" or "phi3" or "bloom" or "olmo2" ? 1e-5 : 1e-6, epsilon);
        Assert.Equal(
            family switch { "gpt2" or "gptj" or "gemma2" or "gemma3_text" => "gelu_tanh", "gpt_neox" or "mpt" => "gelu", "bloom" => "gelu_bloom", _ => "silu" },
            parts["feed_forward"].Single()["activation"]!.GetValue<string>());
        Assert.Equal(
            family switch { "mistral" => 8, "qwen2" or "qwen3" => 32, _ => 4 },
            attention["num_key_value_heads"]!.GetValue<int>() is var keys and > 0 ? keys : attention["num_attention_heads"]!.GetValue<int>());
        Assert.Equal(family switch { "qwen3" => 128, "gemma2" or "gemma3_text" => 256, "qwen2" => 2, "mistral" => 8, "llama" => 6, "phi3" or "olmo2" => 16, _ => 0 }, attention["head_dim"]!.GetValue<long>());
        var windows = layout.Config.Components.Where(entry => entry.Slot.Name == "mask").ToArray();
        Assert.Equal(family is "mistral" or "gemma2" or "gemma3_text" ? [4096L] : Array.Empty<long>(), windows.Select(entry => entry.Options["sliding_window"]!.GetValue<long>()));
        if (family is "gemma2" or "gemma3_text")
            Assert.Equal(family == "gemma2" ? [0, 2] : [0, 1, 2, 3, 4, 6], windows[0].Layers!.Value.AsEnumerable());
        var bases = parts["positions"].Where(entry => entry.ContainsKey("rope_theta")).Select(entry => (entry["rope_theta"]!.GetValue<double>(), entry["rotary_dim"]!.GetValue<long>())).ToArray();
        Assert.Equal(family switch { "gpt2" or "mpt" or "bloom" => [], "gpt_neox" => [(10000.0, 4L)], "gptj" => [(10000.0, 0L)], "gemma3_text" => [(1e6, 0L), (1e4, 0L)], _ => [(10000.0, 0L)] }, bases);
    }

    [Theory]
    [InlineData("llama", """{"model_type":"falcon"}""", "$.model_type", "\"falcon\" is not a family that LmKit loads; it loads bloom, gemma2,")]
    [InlineData("llama", """{"model_type":null}""", "$.model_type", "is missing")]
    [InlineData("llama", """{"architectures":["LlamaForSequenceClassification"]}""", "$.architectures[0]", "'LlamaForSequenceClassification' is not a causal language model of this family; LmKit loads LlamaForCausalLM")]
    [InlineData("llama", """{"quantization_config":{"bits":4}}""", "$.quantization_config", "the weights are quantized")]
    [InlineData("llama", """{"auto_map":{"AutoConfig":"x.Y"}}""", "$.auto_map", "asks for code of the model's own")]
    [InlineData("llama", """{"hidden_act":"mish"}""", "$.hidden_act", "\"mish\" is not an activation that LmKit knows; it knows silu,")]
    [InlineData("llama", """{"hidden_size":"big"}""", "$.hidden_size", "\"big\" is not a whole number")]
    [InlineData("llama", """{"hidden_size":24.5}""", "$.hidden_size", "24.5 is not a whole number")]
    [InlineData("llama", """{"hidden_size":null}""", "$.hidden_size", "is missing")]
    [InlineData("llama", """{"num_hidden_layers":100000}""", "$.num_hidden_layers", "100000 is not from 1 to 10000")]
    [InlineData("llama", """{"num_attention_heads":5}""", "$.num_attention_heads", "5 does not divide the model's width 24")]
    [InlineData("llama", """{"num_key_value_heads":3}""", "$.num_key_value_heads", "3 does not divide $.num_attention_heads = 4")]
    [InlineData("llama", """{"head_dim":7}""", "$.partial_rotary_factor", "7 features of a head of 7 would turn")]
    [InlineData("llama", """{"rms_norm_eps":-1}""", "$.rms_norm_eps", "-1 is not from 0 to 1")]
    [InlineData("llama", """{"tie_word_embeddings":"yes"}""", "$.tie_word_embeddings", "\"yes\" is neither true nor false")]
    [InlineData("llama", """{"layer_types":["full_attention","sliding_attention"]}""", "$.layer_types", "gives layer 1 a sliding window")]
    [InlineData("llama", """{"layer_types":["full_attention"]}""", "$.layer_types", "has 1 entries for 2 layers")]
    [InlineData("llama", """{"layer_types":["full_attention","chunked_attention"]}""", "$.layer_types[1]", "'chunked_attention' is not a kind of layer")]
    [InlineData("llama", """{"rope_scaling":{"type":"magic","factor":2}}""", "$.rope_scaling.type", "\"magic\" is not a scaling that LmKit knows; it knows default, linear, dynamic, yarn, llama3, longrope")]
    [InlineData("llama", """{"rope_scaling":{"factor":2}}""", "$.rope_scaling.rope_type", "is missing; it is one of")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear"}}""", "$.rope_scaling.factor", "is missing; rope type 'linear' needs it")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear","factor":0.5}}""", "$.rope_scaling.factor", "0.5 is not from 1 to 1000000")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear","rope_type":"yarn","factor":2}}""", "$.rope_scaling.type", "contradicts $.rope_scaling.rope_type = \"yarn\"")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear","factor":2},"rope_parameters":{"rope_type":"default"}}""", "$.rope_scaling", "stands beside $.rope_parameters")]
    [InlineData("llama", """{"rope_theta":500,"rope_parameters":{"rope_type":"default","rope_theta":1000}}""", "$.rope_parameters.rope_theta", "1000 contradicts $.rope_theta")]
    [InlineData("llama", """{"rope_parameters":{"full_attention":{},"sliding_attention":{}}}""", "$.rope_parameters", "settings for each kind of layer, which this family does not have")]
    [InlineData("llama", """{"rope_theta":500,"rope_scaling":{"rope_type":"linear","factor":2,"rope_theta":1000}}""", "$.rope_scaling.rope_theta", "1000 contradicts $.rope_theta")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"linear","factor":2,"partial_rotary_factor":0.5}}""", "$.partial_rotary_factor", "0.5 is not 1")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4,"original_max_position_embeddings":8}}""", "$.rope_scaling.high_freq_factor", "4 is not above $.rope_scaling.low_freq_factor = 4")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4}}""", "$.rope_scaling.original_max_position_embeddings", "is missing; rope type 'llama3' needs it")]
    [InlineData("llama", """{"rope_scaling":{"rope_type":"yarn","factor":4,"beta_fast":1,"beta_slow":32}}""", "$.rope_scaling.beta_fast", "is below $.rope_scaling.beta_slow = 32")]
    [InlineData("llama", """{"original_max_position_embeddings":8,"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":4}}""", "$.rope_scaling.original_max_position_embeddings", "4 contradicts $.original_max_position_embeddings = 8")]
    [InlineData("llama", """{"max_position_embeddings":null,"rope_scaling":{"type":"dynamic","factor":2}}""", "$.max_position_embeddings", "is missing; rope type 'dynamic' needs it")]
    [InlineData("llama", """{"partial_rotary_factor":0.5}""", "$.partial_rotary_factor", "the heads of this family turn whole")]
    [InlineData("phi3", """{"rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[1,1,1,1,1,1,1,1]}}""", "$.rope_scaling.short_factor", "has 1 numbers; 16 features of a head turn, so 8 are needed")]
    [InlineData("phi3", """{"rope_scaling":{"type":"su","short_factor":[1,1,1,1,1,1,1,1],"long_factor":[1,1,1,-1,1,1,1,1]}}""", "$.rope_scaling.long_factor", "holds -1; its numbers are positive")]
    [InlineData("phi3", """{"sliding_window":8,"layer_types":["full_attention","sliding_attention"]}""", "$.layer_types", "names 1 layers with a window")]
    [InlineData("gpt2", """{"hidden_size":25}""", "$.hidden_size", "25 contradicts $.n_embd = 24; both name one quantity")]
    [InlineData("gpt2", """{"add_cross_attention":true}""", "$.add_cross_attention", "true asks for attention over an encoder")]
    [InlineData("gptj", """{"rotary_dim":null}""", "$.rotary_dim", "null is not a number")]
    [InlineData("gptj", """{"rotary_dim":128}""", "$.rotary_dim", "128 features of a head of 64 would turn")]
    [InlineData("mpt", """{"attn_config":{"alibi":false}}""", "$.attn_config.alibi", "asks for learned positions")]
    [InlineData("mpt", """{"attn_config":{"qk_ln":true}}""", "$.attn_config.qk_ln", "norms of queries and keys")]
    [InlineData("mpt", """{"attn_config":{"prefix_lm":true}}""", "$.attn_config.prefix_lm", "lets a prefix see all of itself")]
    [InlineData("mpt", """{"attn_config":{"attn_type":"multiquery_attention"}}""", "$.attn_config.attn_type", "\"multiquery_attention\" is not multihead_attention")]
    [InlineData("mpt", """{"attn_config":7}""", "$.attn_config", "7 is not an object")]
    [InlineData("gemma2", """{"sliding_window":null}""", "$.sliding_window", "is null, but layers with a window need its width")]
    [InlineData("gemma2", """{"use_bidirectional_attention":true}""", "$.use_bidirectional_attention", "lets tokens see later ones")]
    [InlineData("gemma3_text", """{"rope_parameters":{"full_attention":{"rope_type":"default"}}}""", "$.rope_parameters.sliding_attention", "is missing; the settings of every kind of layer are there, or none")]
    [InlineData("qwen3", """{"vocab_size":null}""", "$.vocab_size", "is missing")]
    [InlineData("llama", """{"model_type":"gemma3"}""", "$.model_type", "\"gemma3\" has a part for pictures, and its text part under text_config")]
    [InlineData("llama", """{"n_embd":32}""", "$.n_embd", "32 contradicts $.hidden_size = 24")]
    [InlineData("llama", """{"max_seq_len":32}""", "$.max_seq_len", "32 contradicts $.max_position_embeddings = 16")]
    [InlineData("llama", """{"rope_theta":1,"rope_scaling":{"type":"yarn","factor":2}}""", "$.rope_theta", "1 is not above 1, which rope type 'yarn' needs")]
    [InlineData("llama", """{"rope_parameters":{"rope_theta":100,"factor":2}}""", "$.rope_parameters.rope_type", "is missing; it is one of")]
    [InlineData("llama", """{"rope_parameters":{"rope_type":"default"},"rope_scaling":{"type":"linear","factor":2}}""", "$.rope_scaling", "stands beside $.rope_parameters")]
    [InlineData("gpt_neox", """{"rotary_pct":0.01}""", "$.rotary_pct", "0 features of a head of 16 would turn")]
    [InlineData("gpt_neox", """{"rotary_pct":0.5,"rope_parameters":{"rope_type":"default","rope_theta":1e4,"partial_rotary_factor":0.25}}""", "$.rope_parameters.partial_rotary_factor", "0.25 contradicts $.rotary_pct")]
    [InlineData("gpt_neox", """{"rotary_emb_base":500,"rope_theta":600}""", "$.rope_theta", "600 contradicts $.rotary_emb_base = 500")]
    [InlineData("gemma3_text", """{"rope_parameters":{"rope_type":"default","rope_theta":1e4}}""", "$.rope_parameters", "has one setting for all layers; in this family full_attention and sliding_attention")]
    [InlineData("gemma3_text", """{"rope_theta":500,"rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":1e4},"sliding_attention":{"rope_type":"default","rope_theta":1e4}}}""", "$.rope_parameters.full_attention.rope_theta", "contradicts $.rope_theta")]
    [InlineData("phi3", """{"original_max_position_embeddings":4,"rope_scaling":{"type":"longrope","factor":3,"short_factor":[1,1,1,1,1,1,1,1],"long_factor":[1,1,1,1,1,1,1,1]}}""", "$.rope_scaling.factor", "3 contradicts $.max_position_embeddings / original_max_position_embeddings = 4; leave it out")]
    [InlineData("phi3", """{"rope_scaling":{"type":"su","rope_type":"linear","factor":2}}""", "$.rope_scaling.type", "contradicts $.rope_scaling.rope_type = \"linear\"")]
    [InlineData("mpt", """{"attn_config":{"rope":true}}""", "$.attn_config.rope", "true asks for rotary positions, which are not loaded")]
    [InlineData("mpt", """{"attn_config":{"attn_type":"multiquery_attention"}}""", "$.attn_config.attn_type", "is not multihead_attention")]
    [InlineData("mpt", """{"attn_config":{"multiquery_attention":true}}""", "$.attn_config.multiquery_attention", "asks for one head of keys and values")]
    [InlineData("mpt", """{"prefix_lm":true}""", "$.prefix_lm", "lets a prefix see all of itself")]
    public void What_cannot_be_computed_is_refused_by_name(string family, string change, string place, string words)
    {
        var error = Assert.Throws<ConfigurationException>(() => Read(family, change));
        Assert.Equal(place, error.Path);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_s_fault_names_the_file()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), Config("llama", """{"hidden_act":"mish"}"""));
        var error = Assert.Throws<ConfigurationException>(() => PublishedLayout.Read(folder.Path));
        Assert.StartsWith($"{Path.Combine(folder.Path, "config.json")}: $.hidden_act: ", error.Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), Config("llama", "{}"));
        File.WriteAllText(Path.Combine(folder.Path, "generation_config.json"), "[1]");
        error = Assert.Throws<ConfigurationException>(() => PublishedLayout.Read(folder.Path));
        Assert.StartsWith($"{Path.Combine(folder.Path, "generation_config.json")}: $: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_changes_nothing_is_listed()
    {
        var layout = Read("llama", """{"pretraining_tp":1,"attention_dropout":0.1,"rope_scaling":{"type":"linear","factor":2,"strange":3},"my_key":{"a":1}}""", """{"cache_implementation":"hybrid","eos_token_id":3}""");
        Assert.Equal(
            ["config.json $.attention_dropout", "config.json $.my_key", "config.json $.pretraining_tp", "config.json $.rope_scaling.strange", "generation_config.json $.cache_implementation"],
            layout.IgnoredOptions);
        Assert.Equal(16, layout.TrainedLength);
        Assert.Equal(
            ["config.json $.dtype", "config.json $.rope_scaling", "config.json $.use_cache"],
            Read("gptj", """{"architectures":["GPTJForCausalLM"],"dtype":"float16","use_cache":true,"rope_scaling":{"type":"linear","factor":2}}""").IgnoredOptions);
    }

    [Theory]
    [InlineData("llama", "{}", """{"rope_parameters":{"rope_theta":10000}}""")]
    [InlineData("llama", "{}", """{"rope_parameters":null,"rope_scaling":null,"head_dim":null,"num_key_value_heads":null}""")]
    [InlineData("llama", "{}", """{"rope_scaling":{"type":"default","factor":4}}""")]
    [InlineData("llama", """{"rope_theta":500}""", """{"rope_scaling":{"rope_theta":500}}""")]
    [InlineData("llama", """{"rope_theta":500,"rope_scaling":{"type":"linear","factor":2}}""", """{"rope_scaling":{"rope_type":"linear","factor":2,"rope_theta":500}}""")]
    [InlineData("llama", "{}", """{"n_embd":24,"num_hidden_layers":2.0,"hidden_act":"swish"}""")]
    [InlineData("llama", """{"rope_scaling":{"type":"linear","factor":2}}""", """{"rope_scaling":{"type":"linear","rope_type":"linear","factor":2.0}}""")]
    [InlineData("llama", """{"rope_scaling":{"type":"yarn","factor":2}}""", """{"rope_scaling":{"type":"yarn","factor":2,"original_max_position_embeddings":16,"mscale":0,"mscale_all_dim":0.5,"beta_fast":32,"beta_slow":1,"truncate":true}}""")]
    [InlineData("gemma3_text", """{"rope_parameters":null,"rope_scaling":{"type":"linear","factor":8}}""", """{"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8,"rope_theta":1e6},"sliding_attention":{"rope_type":"default","rope_theta":1e4}}}""")]
    [InlineData("gemma3_text", "{}", """{"sliding_window_pattern":6,"attn_logit_softcapping":50,"final_logit_softcapping":null,"query_pre_attn_scalar":256}""")]
    [InlineData("phi3", """{"original_max_position_embeddings":4,"rope_scaling":{"type":"su","short_factor":[1,1,1,1,1,1,1,1],"long_factor":[2,1,1,1,1,1,1,1]}}""", """{"rope_scaling":{"type":"yarn","rope_type":"longrope","original_max_position_embeddings":4,"factor":4,"short_factor":[1,1,1,1,1,1,1,1],"long_factor":[2,1,1,1,1,1,1,1]}}""")]
    [InlineData("mistral", """{"sliding_window":null}""", """{"sliding_window":null,"layer_types":["full_attention","full_attention"]}""")]
    [InlineData("qwen2", """{"use_sliding_window":true,"sliding_window":8,"max_window_layers":1}""", """{"use_sliding_window":false,"sliding_window":8,"layer_types":["full_attention","sliding_attention"]}""")]
    [InlineData("bloom", "{}", """{"n_embed":24,"num_attention_heads":4}""")]
    [InlineData("mpt", "{}", """{"attn_config":null,"hidden_size":24,"num_attention_heads":4,"num_hidden_layers":2}""")]
    public void Two_ways_to_say_one_thing_are_one_configuration(string family, string one, string other) => Assert.Equal(Read(family, one).Config, Read(family, other).Config);

    [Theory]
    [InlineData(null, "{}", 0, 0, 1, 1, "")]
    [InlineData(null, """{"eos_token_id":3}""", 0, 0, 1, 1, "3")]
    [InlineData("{}", """{"eos_token_id":[3,4]}""", 0, 0, 1, 1, "3 4")]
    [InlineData("""{"eos_token_id":[5,6,5],"do_sample":true}""", """{"eos_token_id":3}""", 1, 50, 1, 1, "5 6")]
    [InlineData("""{"do_sample":true,"temperature":0.7,"top_p":0.8,"top_k":20,"repetition_penalty":1.1}""", "{}", 0.7, 20, 0.8, 1.1, "")]
    [InlineData("""{"temperature":0.7,"top_p":0.8,"top_k":20}""", "{}", 0, 0, 1, 1, "")]
    [InlineData("""{"do_sample":true,"top_k":null}""", "{}", 1, 0, 1, 1, "")]
    [InlineData(null, """{"do_sample":true,"top_p":0.5,"eos_token_id":9}""", 1, 50, 0.5, 1, "9")]
    public void Generation_settings_are_the_samplers(string? generation, string change, double temperature, int topK, double topP, double penalty, string stops)
    {
        var options = Read("llama", change, generation).Config.Components.Single(entry => entry.Slot.Name == "sampler").Options;
        Assert.Equal(temperature, options["temperature"]!.GetValue<double>());
        Assert.Equal(topK, options["top_k"]!.GetValue<int>());
        Assert.Equal(topP, options["top_p"]!.GetValue<double>());
        Assert.Equal(penalty, options["repetition_penalty"]!.GetValue<double>());
        Assert.Equal(stops, string.Join(' ', options["stop_tokens"]!.AsArray().Select(stop => stop!.GetValue<long>())));
    }

    [Theory]
    [InlineData("""{"num_beams":4}""", "$.num_beams", "4 is not something that the sampler does; give the model a sampler of your own")]
    [InlineData("""{"eos_token_id":50}""", "$.eos_token_id", "holds 50, which is outside the vocabulary of 50")]
    [InlineData("""{"eos_token_id":-1}""", "$.eos_token_id", "holds -1")]
    [InlineData("""{"suppress_tokens":[1]}""", "$.suppress_tokens", "is not something that the sampler does")]
    [InlineData("""{"do_sample":true,"top_p":2}""", "$.top_p", "2 is not from 0 to 1")]
    [InlineData("""{"do_sample":true,"typical_p":0.9}""", "$.typical_p", "0.9 is not something that the sampler does")]
    public void What_the_sampler_cannot_do_is_a_fault(string generation, string place, string words)
    {
        var fault = Read("llama", "{}", generation).GenerationFault;
        Assert.Equal(place, fault!.Path);
        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
        Assert.Null(Read("llama", "{}", """{"num_beams":1,"no_repeat_ngram_size":0,"suppress_tokens":[],"guidance_scale":null,"typical_p":0.9}""").GenerationFault);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_new_model_of_the_layout_is_built_and_has_the_published_tensors(string family)
    {
        var layout = Read(family, """{"hidden_size":64,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16}""", null, only: family is not ("gpt2" or "gptj" or "mpt" or "bloom" or "gpt_neox"));
        using var model = layout.CreateBuilder().Build();
        var ours = ModuleTensors.Of(model);
        var published = layout.Match([]).Map.ToPublished(ours);
        try
        {
            using var back = new TensorHolder(layout.Match([.. published.Select(pair => new SafetensorsEntry(pair.Key, pair.Value.dtype, pair.Value.shape, 0, 0))]).Map.ToOurs(published));
            Assert.Equal(ours.Keys.Order(StringComparer.Ordinal), back.Tensors.Keys.Order(StringComparer.Ordinal));
            foreach (var (name, tensor) in ours)
                Assert.True(tensor.IsSame(back.Tensors[name]), name);
            Assert.DoesNotContain(published.Keys, name => ours.ContainsKey(name) && !name.StartsWith("ln_f", StringComparison.Ordinal) && name != "lm_head.weight" && name != "lm_head.bias");
        }
        finally
        {
            foreach (var tensor in published.Values)
                tensor.Dispose();
        }
    }

    private static PublishedLayout Read(string family, string change, string? generation = null, bool only = true) => PublishedLayout.FromJson(Config(family, only ? change : "{}"), generation);

    private static string Config(string family, string change)
    {
        var root = JsonNode.Parse(sizes[family])!.AsObject();
        (root["model_type"], root["vocab_size"]) = (family, 50);
        foreach (var (key, value) in JsonNode.Parse(change)!.AsObject())
            root[key] = value?.DeepClone();
        return root.ToJsonString();
    }

    private sealed class TensorHolder(Dictionary<string, TorchSharp.torch.Tensor> tensors) : IDisposable
    {
        internal Dictionary<string, TorchSharp.torch.Tensor> Tensors { get; } = tensors;

        public void Dispose()
        {
            foreach (var tensor in Tensors.Values)
                tensor.Dispose();
        }
    }
}
