using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace LmKit.Fuzz;

/// <summary>Folders of published models that lead elsewhere, lack parts, contradict themselves or never ended their download.</summary>
internal static class PublishedAttacks
{
    private const string Index = "model.safetensors.index.json";
    private const string Weights = "model.safetensors";
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 548105171\n";
    private const Expectation Refused = Expectation.Refused;

    internal static IEnumerable<HostileCase> All() => Indexes().Concat(Tied()).Concat(Values()).Concat(Unfinished()).Concat(Configs()).Concat(Rotary()).Concat(Generation());

    private static IEnumerable<HostileCase> Indexes()
    {
        const string seed = "gpt2-base-sharded";
        var files = HostileCase.Valid("published-weights", seed).Files;
        var map = JsonNode.Parse(files[Index])!["weight_map"]!.AsObject();
        var first = map.First().Key;
        HostileCase Case(string name, string text, Expectation expected = Refused) => HostileCase.Of($"made-published-index-{name}", "published-weights", seed, expected, Index, text);
        string With(string key, JsonNode? value)
        {
            var changed = map.DeepClone().AsObject();
            changed[key] = value;
            return new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = changed }.ToJsonString();
        }

        foreach (var (name, value) in new (string, string)[]
        {
            ("up", "../x.safetensors"), ("root", "/etc/passwd"), ("below", "sub/x.safetensors"), ("drive", @"C:\x.safetensors"), ("share", @"\\host\x"), ("dots", ".."), ("dot", "."), ("empty", ""), ("zero", "model\0.safetensors"),
            ("address", "https://example.org/x.safetensors"), ("home", "~/x.safetensors"), ("long", new string('a', 5000)), ("missing", "model-00009-of-00003.safetensors"), ("itself", Index), ("config", "config.json"), ("line", "model\n.safetensors"),
            ("other", (string)map.Last().Value!), ("case", ((string)map.First().Value!).ToUpperInvariant()),
        })
        {
            yield return Case(name, With(first, value));
        }
        yield return Case("number", With(first, 1));
        yield return Case("null", With(first, null));
        yield return Case("list", With(first, new JsonArray((string)map.First().Value!)));
        yield return Case("of-no-tensor", With("nowhere.weight", (string)map.First().Value!));
        yield return Case("no-map", """{"metadata": {}}""");
        yield return Case("map-empty", """{"weight_map": {}}""");
        yield return Case("map-list", """{"weight_map": ["a"]}""");
        yield return Case("many-missing", new JsonObject { ["weight_map"] = new JsonObject(Enumerable.Range(0, 50_000).Select(at => KeyValuePair.Create($"x{at}", (JsonNode?)$"{at}.safetensors"))) }.ToJsonString());
        yield return Case("wrong-size", new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = -1 }, ["weight_map"] = map.DeepClone() }.ToJsonString(), Expectation.Value);
        yield return Case("pointer", Pointer);
        foreach (var (shard, at) in files.Keys.Where(name => name.EndsWith(".safetensors", StringComparison.Ordinal)).Select((name, at) => (name, at)))
        {
            yield return HostileCase.Of($"made-published-shard-{at}-empty", "published-weights", seed, Refused, shard, []);
            yield return HostileCase.Of($"made-published-shard-{at}-pointer", "published-weights", seed, Refused, shard, Pointer);
            yield return HostileCase.Of($"made-published-shard-{at}-cut", "published-weights", seed, Refused, shard, files[shard][..^5]);
            yield return HostileCase.Of($"made-published-shard-{at}-twice", "published-weights", seed, Expectation.Either, shard, files[files.Keys.First(name => name.EndsWith(".safetensors", StringComparison.Ordinal) && name != shard)]);
        }
    }

    private static IEnumerable<HostileCase> Tied()
    {
        HostileCase Case(string name, string seed, byte[] bytes, Expectation expected = Refused) => HostileCase.Of($"made-published-tied-{name}", "published-weights", seed, expected, Weights, bytes);
        const string gpt = "transformer.wte.weight";
        const string bare = "wte.weight";
        var whole = HostileCase.Valid("published-weights", "gpt2-base").Files[Weights];
        var name = Header(whole).ContainsKey(gpt) ? gpt : bare;
        var shape = Header(whole)[name]!["shape"]!;
        var row = Bytes(whole, name);

        yield return Case("absent", "gpt2-base", Renamed(whole, name, "nowhere.weight"));
        yield return Case("head-alone", "gpt2-base", Renamed(whole, name, "lm_head.weight"), Expectation.Value);
        yield return Case("twice-equal", "gpt2-base", Added(whole, "lm_head.weight", "F32", shape, row), Expectation.Value);
        yield return Case("twice-other", "gpt2-base", Added(whole, "lm_head.weight", "F32", shape, new byte[row.Length]));
        yield return Case("twice-one-bit", "gpt2-base", Added(whole, "lm_head.weight", "F32", shape, [.. row[..^4], (byte)(row[^4] ^ 1), .. row[^3..]]));
        yield return Case("twice-other-shape", "gpt2-base", Added(whole, "lm_head.weight", "F32", new JsonArray(1, 4), new byte[16]));
        yield return Case("twice-nan", "gpt2-base", Added(whole, "lm_head.weight", "F32", shape, Filled(row, 0xFF)));
        yield return Case("both-prefixes", "gpt2-base", Added(whole, name == gpt ? bare : gpt, "F32", shape, row));
        yield return Case("adapter-beside", "gpt2-base", Added(whole, "transformer.h.0.attn.c_attn.lora_A.weight", "F32", new JsonArray(1, 4), new byte[16]));
        yield return Case("of-integers", "gpt2-base", Retyped(whole, name, "I32"));
        yield return Case("of-eight-bits", "gpt2-base", Added(Renamed(whole, name, "nowhere.weight"), name, "F8_E4M3", shape.DeepClone(), new byte[row.Length / 4]));
    }

    private static IEnumerable<HostileCase> Values()
    {
        foreach (var (seed, file, bytes) in new[] { ("gpt2-base", Weights, 4), ("gpt2-base-f16", Weights, 2), ("llama-gqa-bf16", Weights, 2), ("phi3-window", Weights, 4), ("bloom", Weights, 4) })
        {
            var whole = HostileCase.Valid("published-weights", seed).Files[file];
            HostileCase Case(string name, byte[] made) => HostileCase.Of($"made-published-values-{seed}-{name}", "published-weights", seed, Refused, file, made);
            byte[] Last(params byte[] value) => [.. whole[..^bytes], .. value];
            yield return Case("nan", bytes == 4 ? Last(0, 0, 0xC0, 0x7F) : Last(0xFF, 0x7F));
            yield return Case("infinite", bytes == 4 ? Last(0, 0, 0x80, 0x7F) : seed.EndsWith("bf16", StringComparison.Ordinal) ? Last(0x80, 0x7F) : Last(0x00, 0x7C));
            yield return Case("all-nan", [.. whole[..DataStart(whole)], .. Enumerable.Repeat((byte)0xFF, whole.Length - DataStart(whole))]);
        }
        var packed = HostileCase.Valid("published-weights", "llama-gqa-bin").Files["pytorch_model.bin"];
        foreach (var (name, made) in new (string, byte[])[]
        {
            ("cut", packed[..^40]), ("half", packed[..(packed.Length / 2)]), ("empty", []), ("pointer", Encoding.UTF8.GetBytes(Pointer)), ("page", "<!DOCTYPE html><html>Log in</html>"u8.ToArray()),
            ("system", new PickleText().Raw("cposix\nsystem\n").Text("true").Raw([0x85]).Raw("R.").Archive()), ("eval", new PickleText().Raw("cbuiltins\neval\n").Text("1").Raw([0x85]).Raw("R.").Archive()),
            ("no-tensors", new PickleText().Raw("}.").Archive()), ("number", new PickleText().Raw("K\u0001.").Archive()), ("nested", new PickleText().Raw("}(").Text("state_dict").Raw("}u.").Archive()),
            ("expanded", new PickleText().Raw("}(").Text("model.embed_tokens.weight").Tensor("0", 1, 0, [1L << 40], [0]).Raw("u.").Archive(System.IO.Compression.CompressionLevel.NoCompression, ("0", new byte[4]))),
        })
        {
            yield return HostileCase.Of($"made-published-bin-{name}", "published-weights", "llama-gqa-bin", Refused, "pytorch_model.bin", made);
        }
    }

    private static IEnumerable<HostileCase> Unfinished()
    {
        const string seed = "gpt2-base";
        var files = HostileCase.Valid("published-weights", seed).Files;
        var incomplete = KeyValuePair.Create(".cache/huggingface/download/abc.incomplete", files[Weights][..1000]);
        HostileCase Case(string name, Expectation expected, params KeyValuePair<string, byte[]>[] made) => new($"made-published-download-{name}", "published-weights", seed, expected, () => made.ToDictionary(StringComparer.Ordinal));

        yield return Case("pointer", Refused, KeyValuePair.Create(Weights, Encoding.UTF8.GetBytes(Pointer)));
        yield return Case("pointer-crlf", Refused, KeyValuePair.Create(Weights, Encoding.UTF8.GetBytes(Pointer.ReplaceLineEndings("\r\n"))));
        yield return Case("pointer-config", Refused, KeyValuePair.Create("config.json", Encoding.UTF8.GetBytes(Pointer)));
        yield return Case("pointer-generation", Refused, KeyValuePair.Create("generation_config.json", Encoding.UTF8.GetBytes(Pointer)));
        yield return Case("page", Refused, KeyValuePair.Create(Weights, "<!DOCTYPE html><html>Log in</html>"u8.ToArray()));
        yield return Case("page-config", Refused, KeyValuePair.Create("config.json", "<!DOCTYPE html>"u8.ToArray()));
        yield return Case("denied", Refused, KeyValuePair.Create(Weights, "Access to model is restricted. You must be authenticated to access it."u8.ToArray()));
        yield return Case("cut", Refused, KeyValuePair.Create(Weights, files[Weights][..(files[Weights].Length / 2)]), incomplete);
        yield return Case("in-header", Refused, KeyValuePair.Create(Weights, files[Weights][..100]), incomplete);
        yield return Case("zeros", Refused, KeyValuePair.Create(Weights, new byte[files[Weights].Length]), incomplete);
        yield return Case("zeros-behind", Expectation.Either, KeyValuePair.Create(Weights, (byte[])[.. files[Weights][..^4096], .. new byte[4096]]));
        yield return Case("whole-beside", Expectation.Value, incomplete);
        yield return Case("longer", Refused, KeyValuePair.Create(Weights, (byte[])[.. files[Weights], .. new byte[16]]));
    }

    private static IEnumerable<HostileCase> Configs()
    {
        foreach (var (name, key, value) in new (string, string, string)[]
        {
            ("no-heads", "num_attention_heads", "0"), ("negative", "hidden_size", "-8"), ("fraction", "hidden_size", "30.5"), ("text", "hidden_size", "\"30\""), ("list", "hidden_size", "[30]"), ("huge", "hidden_size", "1000000000000"),
            ("wide", "hidden_size", "2147483646"), ("many-layers", "num_hidden_layers", "2000000000"), ("layers", "num_hidden_layers", "100000"), ("no-layers", "num_hidden_layers", "0"), ("vocab", "vocab_size", "1099511627776"), ("vocab-small", "vocab_size", "1"),
            ("heads", "num_attention_heads", "7"), ("keys", "num_key_value_heads", "4"), ("more-keys", "num_key_value_heads", "12"), ("head", "head_dim", "7"), ("inner", "intermediate_size", "9223372036854775807"), ("inner-nan", "intermediate_size", "1e999"),
            ("eps", "rms_norm_eps", "-1"), ("eps-text", "rms_norm_eps", "\"NaN\""), ("activation", "hidden_act", "\"nowhere\""), ("family", "model_type", "\"nowhere\""), ("family-number", "model_type", "3"), ("family-case", "model_type", "\"LLAMA\""),
            ("family-other", "model_type", "\"mpt\""), ("family-null", "model_type", "null"), ("tied-text", "tie_word_embeddings", "\"yes\""), ("bias-list", "attention_bias", "[]"), ("quantized", "quantization_config", """{"quant_method": "gptq", "bits": 4}"""),
            ("length", "max_position_embeddings", "-1"), ("length-zero", "max_position_embeddings", "0"), ("base", "rope_theta", "0"), ("base-negative", "rope_theta", "-10000"), ("base-text", "rope_theta", "\"10000\""), ("eos", "eos_token_id", "-1"), ("eos-far", "eos_token_id", "61"),
            ("eos-list", "eos_token_id", "[2, null]"), ("dtype", "torch_dtype", "\"int4\""),
        })
        {
            var expected = name is "length-zero" or "dtype" or "eos" or "eos-far" or "family-null" ? Expectation.Either : Refused;
            yield return Changed("llama-gqa", $"config-{name}", expected, (key, value));
        }
        yield return Changed("llama-gqa", "config-length-huge", Expectation.Either, ("max_position_embeddings", "2147483647"));
        yield return Changed("gpt2-base", "config-positions-huge", Refused, ("n_positions", "2147483647"), ("n_ctx", "2147483647"));
        yield return Changed("gpt2-base", "config-names-disagree", Refused, ("hidden_size", "32"));
        yield return Changed("mistral-window", "config-window-zero", Expectation.Either, ("sliding_window", "0"));
        yield return Changed("mistral-window", "config-window-negative", Refused, ("sliding_window", "-1"));
        yield return Changed("gemma3-text", "config-layer-types-short", Refused, ("layer_types", """["full_attention"]"""));
        yield return Changed("gemma3-text", "config-layer-types-unknown", Refused, ("layer_types", """["full_attention", "linear_attention", "full_attention", "full_attention", "full_attention", "full_attention", "full_attention"]"""));
        yield return Changed("gemma2", "config-cap-negative", Refused, ("attn_logit_softcapping", "-50"));
        yield return Changed("gemma2", "config-cap-zero", Expectation.Either, ("final_logit_softcapping", "0"));
        yield return Changed("gemma2", "config-scale-zero", Refused, ("query_pre_attn_scalar", "0"));
        yield return Changed("mpt-clip", "config-clip-negative", Refused, ("attn_config", """{"alibi": true, "clip_qkv": -1}"""));
        yield return Changed("mpt-clip", "config-no-alibi", Refused, ("attn_config", """{"alibi": false}"""));
        yield return Changed("mpt-clip", "config-attention-list", Refused, ("attn_config", "[]"));
        yield return Changed("gptj", "config-rotary-odd", Refused, ("rotary_dim", "3"));
        yield return Changed("gptj", "config-rotary-wide", Refused, ("rotary_dim", "4096"));
    }

    private static IEnumerable<HostileCase> Rotary()
    {
        foreach (var (name, scaling) in new[]
        {
            ("no-type", """{"factor": 2.0}"""), ("unknown", """{"rope_type": "mrope", "factor": 2.0}"""), ("two-types", """{"rope_type": "linear", "type": "dynamic", "factor": 2.0}"""), ("no-factor", """{"rope_type": "linear"}"""), ("factor-zero", """{"rope_type": "linear", "factor": 0}"""),
            ("factor-small", """{"rope_type": "linear", "factor": 0.5}"""), ("factor-text", """{"rope_type": "linear", "factor": "2"}"""), ("factor-huge", """{"rope_type": "dynamic", "factor": 1e300}"""), ("list", "[]"), ("text", "\"linear\""), ("empty", "{}"),
            ("bands", """{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1, "original_max_position_embeddings": 16}"""), ("bands-equal", """{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4, "original_max_position_embeddings": 16}"""),
            ("bands-missing", """{"rope_type": "llama3", "factor": 8}"""), ("original-zero", """{"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0}"""), ("beta", """{"rope_type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 32}"""),
            ("long-lists", """{"rope_type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1], "original_max_position_embeddings": 16}"""), ("long-null", """{"rope_type": "longrope", "short_factor": null, "long_factor": null}"""),
            ("long-zero", """{"rope_type": "longrope", "short_factor": [0, 0, 0, 0], "long_factor": [1, 1, 1, 1], "original_max_position_embeddings": 16}"""), ("long-negative", """{"rope_type": "longrope", "short_factor": [-1, 1, 1, 1], "long_factor": [1, 1, 1, 1], "original_max_position_embeddings": 16}"""),
            ("base-inside", """{"rope_type": "linear", "factor": 2, "rope_theta": 9}"""),
        })
        {
            yield return Changed("llama-gqa", $"rope-{name}", name == "empty" || name == "base-inside" ? Expectation.Either : Refused, ("rope_scaling", scaling));
        }
        yield return Changed("llama-gqa", "rope-both", Refused, ("rope_scaling", """{"rope_type": "linear", "factor": 2}"""), ("rope_parameters", """{"rope_type": "default", "rope_theta": 500.0}"""));
        yield return Changed("llama-gqa", "rope-two-bases", Refused, ("rope_parameters", """{"rope_type": "default", "rope_theta": 10000.0}"""));
        yield return Changed("llama-gqa", "rope-two-originals", Refused, ("original_max_position_embeddings", "32"), ("rope_scaling", """{"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 16}"""));
        yield return Changed("llama-gqa", "rope-of-layers", Refused, ("rope_parameters", """{"full_attention": {"rope_type": "default", "rope_theta": 500.0}}"""));
        yield return Changed("gemma3-text", "rope-of-no-layer", Refused, ("rope_parameters", """{"rope_type": "default", "rope_theta": 500.0}"""));
        yield return Changed("gemma3-text", "rope-of-one-kind", Refused, ("rope_parameters", """{"full_attention": {"rope_type": "default", "rope_theta": 500.0}}"""));
        yield return Changed("phi3-longrope", "rope-short-list", Refused, ("rope_scaling", """{"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}"""));
    }

    private static IEnumerable<HostileCase> Generation()
    {
        HostileCase Case(string name, string json, Expectation expected = Refused) => HostileCase.Of($"made-published-generation-{name}", "published-config", "llama-gqa", expected, "generation_config.json", json);

        yield return Case("list", "[]");
        yield return Case("empty", "");
        yield return Case("null", "null");
        yield return Case("temperature", """{"do_sample": true, "temperature": -1}""");
        yield return Case("temperature-text", """{"do_sample": true, "temperature": "1"}""");
        yield return Case("temperature-huge", """{"do_sample": true, "temperature": 1e999}""");
        yield return Case("top-p", """{"do_sample": true, "top_p": 2}""");
        yield return Case("top-k", """{"do_sample": true, "top_k": -1}""");
        yield return Case("top-k-huge", """{"do_sample": true, "top_k": 9223372036854775808}""");
        yield return Case("penalty", """{"repetition_penalty": 0}""");
        yield return Case("eos-outside", """{"eos_token_id": [2, 61]}""");
        yield return Case("eos-many", $"{{\"eos_token_id\": [{string.Join(", ", Enumerable.Range(0, 100_000).Select(at => at % 61))}]}}", Expectation.Either);
        yield return Case("eos-object", """{"eos_token_id": {}}""");
        yield return Case("beams", """{"num_beams": 4}""");
        yield return Case("sample-text", """{"do_sample": "true"}""");
        yield return Case("twice", """{"do_sample": true, "do_sample": false}""");
    }

    private static HostileCase Changed(string seed, string name, Expectation expected, params (string Key, string Value)[] members)
    {
        var root = JsonNode.Parse(HostileCase.Valid("published-config", seed).Files["config.json"])!.AsObject();
        foreach (var (key, _) in members)
            _ = root.Remove(key);
        // As text, so that what is no number of .NET's can be written.
        var text = root.ToJsonString()[..^1] + string.Concat(members.Select(member => $", \"{member.Key}\": {member.Value}")) + "}";
        return HostileCase.Of($"made-published-{name}", "published-config", seed, expected, "config.json", text);
    }

    private static int DataStart(byte[] file) => 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);

    private static JsonObject Header(byte[] file) => JsonNode.Parse(file.AsSpan(8, DataStart(file) - 8))!.AsObject();

    private static byte[] Bytes(byte[] file, string name)
    {
        var offsets = Header(file)[name]!["data_offsets"]!.AsArray();
        return file[(DataStart(file) + (int)offsets[0]!)..(DataStart(file) + (int)offsets[1]!)];
    }

    private static byte[] With(JsonObject header, ReadOnlySpan<byte> data)
    {
        var text = Encoding.UTF8.GetBytes(header.ToJsonString());
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        return [.. length, .. text, .. data];
    }

    private static byte[] Renamed(byte[] file, string from, string to)
    {
        var header = Header(file);
        var entry = header[from]!.DeepClone();
        _ = header.Remove(from);
        header[to] = entry;
        return With(header, file.AsSpan(DataStart(file)));
    }

    private static byte[] Retyped(byte[] file, string name, string type)
    {
        var header = Header(file);
        header[name]!["dtype"] = type;
        return With(header, file.AsSpan(DataStart(file)));
    }

    private static byte[] Added(byte[] file, string name, string type, JsonNode shape, byte[] bytes)
    {
        var header = Header(file);
        var start = file.Length - DataStart(file);
        header[name] = new JsonObject { ["dtype"] = type, ["shape"] = shape.DeepClone(), ["data_offsets"] = new JsonArray(start, start + bytes.Length) };
        return With(header, (byte[])[.. file[DataStart(file)..], .. bytes]);
    }

    private static byte[] Filled(byte[] bytes, byte value)
    {
        var filled = new byte[bytes.Length];
        Array.Fill(filled, value);
        return filled;
    }
}
