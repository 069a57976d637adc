using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Published model families: tiny folders with what the official code computes from them.</summary>
[GoldenArea("core/models")]
public class GoldenModelsTests(ITestOutputHelper output) : GoldenSuite(output)
{
    // The data's README: largest difference over the largest expected value.
    private const double Exact = 1e-10;
    private const double Single = 5e-5;
    private const string Weights = "*.safetensors";

    private static readonly string[] kinds = ["bloom", "gemma2", "gemma3", "gpt2", "gptj", "llama", "mistral", "mpt", "neox", "olmo2", "phi3", "pythia", "qwen2", "qwen3"];

    protected override IReadOnlyDictionary<string, Action<GoldenCase>> Checks { get; } = kinds.ToDictionary(family => family, _ => (Action<GoldenCase>)Folder);

    // Of older files; they are not weights.
    private static readonly string[] buffers = [".attn.bias", ".attention.bias", ".masked_bias", ".rotary_emb.inv_freq"];

    protected override IReadOnlyDictionary<string, string> Unnoticed { get; } = (
        from kind in kinds
        from name in buffers.Select(buffer => "*" + buffer).Append("option of model*")
        select $"{kind}: {name}").ToDictionary(entry => entry, entry => entry.Contains("option", StringComparison.Ordinal) ? "remarks of those who wrote the weights" : "not a weight");

    // Options that change nothing; published-models.md lists them. A word stands for all names that it is a part of.
    private static readonly string[] harmless =
    [
        "$._", "attn_config.attn_impl", "attn_logit_softcapping", "attention_bias", "bos_token_id", "cache_implementation", "chunk_size_feed_forward", "dropout", "dtype", "embedding_fraction", "expansion_ratio",
        "finetuning_task", "gradient_checkpointing", "hidden_act", "id2label", "init_device", "is_decoder", "label2id", "learned_pos_emb", "masked_softmax_fusion", "max_length", "max_new_tokens", "n_ctx", "no_bias", "offset_alibi",
        "original_max_position_embeddings", "output_", "pad_token_id", "pdrop", "pretraining_tp", "problem_type", "reorder_and_upcast_attn", "return_dict", "scale_attn_weights", "sep_token_id", "skip_bias_add", "slow_but_exact",
        "summary_", "task_specific_params", "tokenizer_class", "torchscript", "transformers_version", "use_cache", "verbose",
    ];

    private static void Folder(GoldenCase golden)
    {
        foreach (var file in Directory.EnumerateFiles(golden.Path).Select(file => Path.GetFileName(file)).Where(IsRead))
            _ = golden.PathOf(file);
        using var expected = golden.Inside("expected.safetensors");
        expected.Options.Describe("reference");
        var layout = PublishedLayout.Read(golden.Path);
        Assert.StartsWith(expected.Options.Text("family"), layout.Family, StringComparison.Ordinal);
        Assert.Equal(expected.Options.Whole("layers", layout.Config.ReadOptions().LayerCount), layout.Config.ReadOptions().LayerCount);
        CheckOptions(golden.Path, layout);
        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, Exact), (ScalarType.Float32, Single) })
        {
            using var scope = NewDisposeScope();
            using var published = PublishedModel.Load(golden.Path, dtype: dtype);
            var spare = published.SpareTensors.Where(name => !Array.Exists(buffers, buffer => name.EndsWith(buffer, StringComparison.Ordinal))).ToArray();
            Assert.True(spare.Length == 0, $"{golden.Path}: unread tensor {string.Join(", ", spare)}.");
            CheckModel(expected, published.Model, tolerance);
            if (expected.Has("steps.logits"))
                CheckGrowing(expected, golden.Path, layout, dtype, tolerance);
        }
        if (!File.Exists(Path.Combine(golden.Path, "config.v5.json")))
            return;
        using var newer = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(golden.Path, Weights))
            File.Copy(file, newer[Path.GetFileName(file)]);
        File.Copy(Path.Combine(golden.Path, "config.v5.json"), newer["config.json"]);
        using var same = PublishedModel.Load(newer.Path, dtype: ScalarType.Float64);
        CheckOptions(newer.Path, same.Layout);
        expected.Check("logits", Run(same.Model, expected.Tensor("input_ids")), relativeToLargest: Exact);
        Assert.Equal(layout.Config.Components.Where(part => part.Slot.Name != "sampler"), same.Layout.Config.Components.Where(part => part.Slot.Name != "sampler"));
    }

    private static bool IsRead(string file) => file is "config.json" or "config.v5.json" or "generation_config.json" or "model.safetensors" or "model.safetensors.index.json" or "pytorch_model.bin"
        || (file.StartsWith("model-0", StringComparison.Ordinal) && file.EndsWith(".safetensors", StringComparison.Ordinal));

    // Nothing but what changes nothing was left unread, and the sampler stops where the files say.
    private static void CheckOptions(string folder, PublishedLayout layout)
    {
        var unknown = layout.IgnoredOptions.Where(option => !Array.Exists(harmless, word => option.Contains(word, StringComparison.Ordinal))).ToArray();
        Assert.True(unknown.Length == 0, $"{folder}: unread option {string.Join(", ", unknown)}.");
        var file = Path.Combine(folder, File.Exists(Path.Combine(folder, "generation_config.json")) ? "generation_config.json" : "config.json");
        var settings = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
        var sampler = layout.Config.Components.Single(part => part.Slot.Name == "sampler").Options;
        var stops = settings["eos_token_id"] switch { null => [], JsonArray list => list.Select(id => id!.GetValue<long>()), var one => [one.GetValue<long>()] };
        Assert.Equal(stops, sampler["stop_tokens"]!.AsArray().Select(id => id!.GetValue<long>()));
        var isDrawn = settings["do_sample"]?.GetValue<bool>() == true;
        Assert.Equal(isDrawn ? settings["temperature"]?.GetValue<double>() ?? 1 : 0, sampler["temperature"]!.GetValue<double>());
        Assert.Equal(isDrawn ? settings["top_k"]?.GetValue<int>() ?? 50 : 0, sampler["top_k"]!.GetValue<int>());
        Assert.Equal(isDrawn ? settings["top_p"]?.GetValue<double>() ?? 1 : 1, sampler["top_p"]!.GetValue<double>());
        Assert.Equal(settings["repetition_penalty"]?.GetValue<double>() ?? 1, sampler["repetition_penalty"]!.GetValue<double>());
    }

    // Token by token the official code keeps each key as it was turned; in a padded batch the longest row decides the angles of all.
    private static void CheckGrowing(GoldenCase expected, string folder, PublishedLayout layout, ScalarType dtype, double tolerance)
    {
        var rotary = layout.Config.Components.Single(part => part.Slot.Name == "positions").Options;
        var (theta, scaling) = (rotary["rope_theta"]!.GetValue<double>(), rotary["rope_scaling"]!.AsObject());
        var (factor, trained) = (scaling["factor"]!.GetValue<double>(), scaling["original_max_position_embeddings"]!.GetValue<long>());
        using (var growing = PublishedModel.Load(folder, change => change.AddRotary(options => (options.Base, options.Scaling) = (theta, new DynamicRotaryScaling { Factor = factor, OriginalLength = trained, IsPerToken = true })), dtype: dtype))
        {
            expected.Check("steps.logits", Run(growing.Model, expected.Tensor("input_ids")), relativeToLargest: tolerance);
            expected.Check("steps.logits", InSteps(growing.Model, expected.Tensor("input_ids"), 1), relativeToLargest: tolerance);
        }
        var mask = expected.Tensor("padded.attention_mask");
        var longest = mask.sum(1).max().item<long>();
        var attention = layout.Config.Components.Single(part => part.Slot.Name == "mixer").Options;
        var turned = attention["head_dim"]!.GetValue<long>();
        var stretched = theta * Math.Pow((factor * Math.Max(longest, trained) / trained) - (factor - 1), (double)turned / (turned - 2));
        using var together = PublishedModel.Load(folder, change => change.AddRotary(options => options.Base = stretched), dtype: dtype);
        CheckPadded(expected, together.Model, tolerance);
    }

    private static void CheckModel(GoldenCase expected, LanguageModel model, double tolerance)
    {
        var tokens = expected.Tensor("input_ids");
        var isFixed = !expected.Has("steps.logits"); // else keys keep the base of the call that brought them
        expected.Check("logits", Run(model, tokens), relativeToLargest: tolerance);
        if (expected.Has("hidden.0"))
            CheckHidden(expected, model, tokens, tolerance);
        if (expected.Has("padded.logits") && isFixed)
            CheckPadded(expected, model, tolerance);
        if (expected.Has("short.logits"))
        {
            expected.Check("short.logits", Run(model, expected.Tensor("short.input_ids")), relativeToLargest: tolerance);
            expected.Check("short.logits", InSteps(model, expected.Tensor("short.input_ids"), 3), relativeToLargest: tolerance);
        }
        if (isFixed && !expected.Has("short.logits"))
        {
            foreach (var step in new[] { 1, 5 })
                expected.Check("logits", InSteps(model, tokens, step), relativeToLargest: tolerance);
        }
        if (expected.Has("greedy.tokens"))
            CheckGreedy(expected, model);
    }

    private static Tensor Run(LanguageModel model, Tensor tokens)
    {
        using var frozen = no_grad();
        return model.call(tokens, null);
    }

    private static Tensor InSteps(LanguageModel model, Tensor tokens, int step)
    {
        using var frozen = no_grad();
        using var state = model.NewState(tokens.size(0));
        var parts = tokens.split(step, 1).Select(part => model.call(part, new SequenceContext { State = state })).ToArray();
        return cat(parts, 1);
    }

    private static void CheckHidden(GoldenCase expected, LanguageModel model, Tensor tokens, double tolerance)
    {
        var taps = new Dictionary<string, Tensor>();
        var points = new List<string> { "embeddings.out" };
        points.AddRange(Enumerable.Range(0, model.Blocks.Count).Select(layer => $"layers.{layer}.resid_post"));
        points.Add("ln_f.out");
        var attached = points.Select(point => model.HookPoints[point].Attach(value =>
        {
            taps[point] = value.detach().clone().DetachFromDisposeScope();
            return value;
        })).ToArray();
        _ = Run(model, tokens[..1]);
        foreach (var tap in attached)
            tap.Dispose();
        foreach (var (name, point) in points.Select((point, index) => (point == "ln_f.out" ? "hidden.final" : $"hidden.{index}", point)))
        {
            using var tapped = taps[point];
            expected.Check(name, tapped, relativeToLargest: tolerance);
        }
    }

    private static void CheckPadded(GoldenCase expected, LanguageModel model, double tolerance)
    {
        var (tokens, mask) = (expected.Tensor("padded.input_ids"), expected.Tensor("padded.attention_mask"));
        // What the positions say is what documents do here.
        var positions = (mask.cumsum(1) - 1).masked_fill(mask.eq(0), 1L);
        expected.Equal("padded.position_ids", expected.Tensor("padded.position_ids").data<long>().ToArray(), positions.contiguous().data<long>().ToArray());
        var wanted = expected.Tensor("padded.logits");
        using var frozen = no_grad();
        var logits = model.call(tokens, new SequenceContext { Segments = mask - 1 });
        Close.Check("padded.logits", wanted, logits.masked_fill(mask.eq(0).unsqueeze(-1), 0), relativeToLargest: tolerance);
    }

    private static void CheckGreedy(GoldenCase expected, LanguageModel model)
    {
        using var frozen = no_grad();
        var (prompt, wanted) = (expected.Tensor("greedy.prompt"), expected.Tensor("greedy.tokens"));
        var sampler = new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 });
        var got = Array.Empty<long>();
        foreach (var grid in sampler.Sample(prompt, wanted.size(1)))
        {
            using (grid)
                got = [.. grid[.., (int)prompt.size(1)..].contiguous().data<long>()];
        }
        expected.Equal("greedy.tokens", wanted.data<long>().ToArray(), got);
    }
}
