namespace LmKit.Tuning.Tests;

/// <summary>Each of PEFT's keys is obeyed or refused, and one that nobody knows is never read past.</summary>
public class AdapterConfigTests
{
    [Theory]
    // Lists: the whole name, or whole segments at its end.
    [InlineData("""["q_proj"]""", "layers.0.mixer.q_proj", true)]
    [InlineData("""["q_proj"]""", "q_proj", true)]
    [InlineData("""["q_proj"]""", "layers.0.mixer.xq_proj", false)]
    [InlineData("""["q_proj"]""", "layers.0.q_proj.inner", false)]
    [InlineData("""["mixer.q_proj"]""", "layers.0.mixer.q_proj", true)]
    [InlineData("""["mixer.q_proj"]""", "layers.0.remixer.q_proj", false)]
    [InlineData("""["q.proj"]""", "layers.0.mixer.q_proj", false)] // no pattern
    [InlineData("""["Q_proj"]""", "layers.0.mixer.q_proj", false)]
    // Strings: a pattern for the whole name.
    [InlineData("\"q_proj\"", "layers.0.mixer.q_proj", false)]
    [InlineData("\".*q_proj\"", "layers.0.mixer.q_proj", true)]
    [InlineData("\".*(q|v)_proj\"", "layers.0.mixer.v_proj", true)]
    [InlineData("\".*q_proj|.*v_proj\"", "layers.0.mixer.v_proj", true)]
    [InlineData("\".*q_pro\"", "layers.0.mixer.q_proj", false)]
    [InlineData("\"\\\\w+\\\\.0\\\\..*\"", "layers.0.mixer.q_proj", true)]
    [InlineData("\"\\\\w+\\\\.0\\\\..*\"", "layers.1.mixer.q_proj", false)]
    // Everything but the head.
    [InlineData("\"all-linear\"", "layers.0.mlp.fc1", true)]
    [InlineData("\"ALL-Linear\"", "layers.0.mlp.fc1", true)]
    [InlineData("\"all-linear\"", "lm_head", false)]
    [InlineData("\"all-linear\"", "model.lm_head", false)]
    public void Targets_are_read_as_PEFT_reads_them(string targets, string module, bool expected) =>
        Assert.Equal(expected, Read($"\"target_modules\": {targets}").Targets(module));

    [Theory]
    [InlineData("""["q_proj"], "exclude_modules": ["layers.0.mixer.q_proj"]""", "layers.0.mixer.q_proj", false)]
    [InlineData("""["q_proj"], "exclude_modules": ["0.mixer.q_proj"]""", "layers.0.mixer.q_proj", false)]
    [InlineData("""["q_proj"], "exclude_modules": ["layers.0.mixer.q_proj"]""", "layers.1.mixer.q_proj", true)]
    [InlineData("""["q_proj"], "exclude_modules": "layers\\.0.*" """, "layers.0.mixer.q_proj", false)]
    [InlineData("""["q_proj"], "exclude_modules": "layers" """, "layers.0.mixer.q_proj", true)]
    [InlineData("\".*q_proj\", \"exclude_modules\": [\"mixer.q_proj\"]", "layers.0.mixer.q_proj", false)]
    [InlineData("\"all-linear\", \"exclude_modules\": [\"fc1\"]", "layers.0.mlp.fc1", false)]
    [InlineData("""["q_proj"], "exclude_modules": [] """, "layers.0.mixer.q_proj", true)]
    [InlineData("""["q_proj"], "layers_to_transform": [0, 2]""", "layers.2.mixer.q_proj", true)]
    [InlineData("""["q_proj"], "layers_to_transform": [0, 2]""", "layers.1.mixer.q_proj", false)]
    [InlineData("""["q_proj"], "layers_to_transform": 1""", "model.layers.1.self_attn.q_proj", true)]
    [InlineData("""["q_proj"], "layers_to_transform": 1""", "model.layers.11.self_attn.q_proj", false)]
    [InlineData("""["q_proj"], "layers_to_transform": [1], "layers_pattern": "h" """, "transformer.h.1.attn.q_proj", true)]
    [InlineData("""["q_proj"], "layers_to_transform": [1], "layers_pattern": "h" """, "transformer.layers.1.attn.q_proj", false)]
    [InlineData("""["q_proj"], "layers_to_transform": [1], "layers_pattern": ["h", "layers"] """, "transformer.layers.1.attn.q_proj", true)]
    [InlineData("""["q_proj"], "layers_to_transform": [1], "layers_pattern": "layer" """, "transformer.layers.1.attn.q_proj", false)]
    [InlineData("""["q_proj"], "layers_to_transform": [1] """, "encoder.0.layers.1.q_proj", true)] // the last number counts
    [InlineData("""["q_proj"], "layers_to_transform": [0] """, "encoder.0.layers.1.q_proj", false)]
    [InlineData("""["q_proj"], "layers_to_transform": [0] """, "head.q_proj", false)]
    [InlineData("""["layers.1.q_proj"], "layers_to_transform": [0] """, "layers.1.q_proj", true)] // a whole name is beyond the layers
    public void Keys_that_narrow_the_targets_are_obeyed(string targets, string module, bool expected) =>
        Assert.Equal(expected, Read($"\"target_modules\": {targets}").Targets(module));

    [Theory]
    [InlineData("\"alora_invocation_tokens\": [1]")]
    [InlineData("\"arrow_config\": {\"top_k\": 2}")]
    [InlineData("\"bias\": \"all\"")]
    [InlineData("\"bias\": \"lora_only\"")]
    [InlineData("\"bias\": true")]
    [InlineData("\"corda_config\": {\"a\": 1}")]
    [InlineData("\"ensure_weight_tying\": true")]
    [InlineData("\"eva_config\": {\"rho\": 2}")]
    [InlineData("\"init_lora_weights\": \"pissa\"")]
    [InlineData("\"init_lora_weights\": \"pissa_niter_4\"")]
    [InlineData("\"init_lora_weights\": \"olora\"")]
    [InlineData("\"init_lora_weights\": \"corda\"")]
    [InlineData("\"init_lora_weights\": \"eva\"")]
    [InlineData("\"init_lora_weights\": \"loftq\"")]
    [InlineData("\"init_lora_weights\": \"lora_ga\"")]
    [InlineData("\"init_lora_weights\": 3")]
    [InlineData("\"kasa_config\": {\"beta\": 1}")]
    [InlineData("\"layer_replication\": [[0, 2]]")]
    [InlineData("\"layers_pattern\": \"layers\"")]
    [InlineData("\"layers_to_transform\": [-1]")]
    [InlineData("\"loftq_config\": {\"loftq_bits\": 4}")]
    [InlineData("\"lora_ga_config\": {\"a\": 1}")]
    [InlineData("\"megatron_config\": {\"a\": 1}")]
    [InlineData("\"modules_to_save\": [\"lm_head\"]")]
    [InlineData("\"monteclora_config\": {\"a\": 1}")]
    [InlineData("\"target_parameters\": [\"experts.w\"]")]
    [InlineData("\"trainable_token_indices\": {\"embed_tokens\": [1], \"lm_head\": [1]}")]
    [InlineData("\"trainable_token_indices\": [1, 1]")]
    [InlineData("\"trainable_token_indices\": [-1]")]
    [InlineData("\"trainable_token_indices\": 3")]
    [InlineData("\"use_bdlora\": true")]
    [InlineData("\"use_qalora\": true")]
    [InlineData("\"velora_config\": {\"a\": 1}")]
    [InlineData("\"rank_pattern\": {\"q_proj\": 0}")]
    [InlineData("\"rank_pattern\": {\"q_proj\": null}")]
    [InlineData("\"alpha_pattern\": {\"(\": 1}")]
    [InlineData("\"exclude_modules\": [3]")]
    [InlineData("\"exclude_modules\": \"(?=x)\"")]
    [InlineData("\"peft_type\": 3")]
    [InlineData("\"r\": \"many\"")]
    [InlineData("\"r\": 1e20")]
    [InlineData("\"lora_alpha\": true")]
    [InlineData("\"use_dora\": 1")]
    [InlineData("\"rank_pattern\": []")]
    [InlineData("\"rank_pattern\": {\"q\": \"x\"}")]
    [InlineData("\"alpha_pattern\": {\"q\": 1e999}")]
    [InlineData("\"trainable_token_indices\": [\"a\"]")]
    [InlineData("\"trainable_token_indices\": {\"embed\": [null]}")]
    [InlineData("\"layers_to_transform\": [\"a\"]")]
    [InlineData("\"layers_to_transform\": [null]")]
    // Keys of some later PEFT.
    [InlineData("\"use_newlora\": true")]
    [InlineData("\"newlora_block_size\": 16")]
    [InlineData("\"newlora_kind\": \"deep\"")]
    [InlineData("\"newlora_config\": {\"a\": null}")]
    [InlineData("\"newlora_layers\": [0]")]
    public void Keys_that_change_the_result_are_refused_by_name(string member)
    {
        var key = member.Split('"')[1];
        Assert.Contains(key, Assert.Throws<AdapterException>(() => Read($"\"target_modules\": [\"q_proj\"], {member}")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"target_modules\": \"(?=x)y\"", "(?=x)y")]
    [InlineData("\"target_modules\": \"(\"", "(")]
    [InlineData("\"target_modules\": []", "target_modules")]
    [InlineData("\"target_modules\": [null]", "target_modules")]
    [InlineData("\"target_modules\": [\"\"]", "target_modules")]
    [InlineData("\"target_modules\": 3", "target_modules")]
    [InlineData("\"target_modules\": {\"q_proj\": true}", "target_modules")]
    [InlineData("\"target_modules\": \".*q\", \"layers_to_transform\": [0]", "layers_to_transform")]
    [InlineData("\"target_modules\": \"all-linear\", \"layers_to_transform\": [0]", "layers_to_transform")]
    [InlineData("\"target_modules\": [\"q\"], \"layers_to_transform\": [0], \"layers_pattern\": \"(\"", "(")]
    [InlineData("\"target_modules\": [\"q\"], \"r\": 4, \"r\": 8", "r")]
    public void Targets_that_mean_nothing_are_refused(string members, string expected) =>
        Assert.Contains(expected, Assert.Throws<AdapterException>(() => Read(members)).Message, StringComparison.Ordinal);

    [Fact]
    public void Keys_of_a_later_version_that_are_switched_off_are_named()
    {
        var config = Read("""
            "target_modules": ["q_proj"], "new_a": null, "new_b": false, "new_c": "", "new_d": [], "new_e": {},
            "peft_version": "9.9", "inference_mode": false, "auto_mapping": {"base_model_class": "X"}, "revision": "main", "megatron_core": "megatron.core",
            "qalora_group_size": 16, "loftq_config": {}, "base_model_name_or_path": "somewhere", "task_type": null, "use_bdlora": null
            """);

        Assert.Equal(["new_a", "new_b", "new_c", "new_d", "new_e"], config.UnknownKeys);
        Assert.Equal(("main", "somewhere"), (config.Revision, config.BaseModel));
    }

    [Theory]
    [InlineData("true", LoraInitialization.KaimingUniform, "true")]
    [InlineData("false", LoraInitialization.KaimingUniform, "true")]
    [InlineData("null", LoraInitialization.KaimingUniform, "true")]
    [InlineData("\"gaussian\"", LoraInitialization.Gaussian, "\"gaussian\"")]
    [InlineData("\"orthogonal\"", LoraInitialization.Orthogonal, "\"orthogonal\"")]
    public void Starts_that_leave_the_base_alone_are_read(string text, LoraInitialization expected, string written)
    {
        var config = Read($"\"target_modules\": [\"q_proj\"], \"init_lora_weights\": {text}");
        Assert.Equal(expected, config.Lora.Initialization);
        Assert.Contains($"\"init_lora_weights\": {written}", config.ToJson(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_is_read_back_whole()
    {
        var config = Read("""
            "target_modules": ["q_proj", "v_proj"], "exclude_modules": ["layers.3.mixer.q_proj"], "layers_to_transform": [0, 3], "layers_pattern": ["h", "layers"],
            "r": 4, "lora_alpha": 2.5, "lora_dropout": 0.1, "use_rslora": true, "use_dora": true, "lora_bias": true, "fan_in_fan_out": true,
            "rank_pattern": {"b": 2, "a": 3}, "alpha_pattern": {"z": 0.1, "y": 7}, "init_lora_weights": "gaussian", "revision": "v2",
            "trainable_token_indices": {"embed_tokens": [7, 3]}
            """);
        var again = ReadText(config.ToJson());

        Assert.Equal(config.ToJson(), again.ToJson());
        Assert.Equal(["b", "a"], again.Lora.RankPattern.Keys); // the first that fits wins, so the order is kept
        Assert.Equal((0.1, 7), (again.Lora.AlphaPattern["z"], again.Lora.AlphaPattern["y"]));
        Assert.Equal([7L, 3], again.Lora.TrainedTokens);
        Assert.Equal("embed_tokens", again.TrainedTokensModule);
        Assert.Equal([0, 3], again.Layers);
        Assert.Equal(["h", "layers"], again.LayersPattern);
        Assert.Equal(["layers.3.mixer.q_proj"], again.ExcludedModules);
        Assert.True(again.IsTransposed);
        Assert.Empty(again.UnknownKeys);
        Assert.Equal("x.*", ReadText((config with { ExcludedModules = [], ExcludedPattern = "x.*" }).ToJson()).ExcludedPattern);
    }

    private static AdapterConfig Read(string members) => ReadText($$"""{ {{(members.Contains("peft_type", StringComparison.Ordinal) ? "" : "\"peft_type\": \"LORA\", ")}}{{members}} }""");

    private static AdapterConfig ReadText(string json)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], json);
        return AdapterConfig.Read(folder["adapter_config.json"]);
    }
}
