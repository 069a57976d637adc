using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Tiny published models with scaled rotary positions or a window, put together by the builder, against official logits in float64.</summary>
[NoTensorLeak]
public sealed class PublishedPositionsTests
{
    private const double Tolerance = 1e-10;

    public static TheoryData<string> Folders => ["llama-mha", "llama-linear", "llama-dynamic", "llama-yarn", "llama3-rope", "phi3-longrope", "mistral-window"];

    [Theory]
    [MemberData(nameof(Folders))]
    [Trait("Category", "Golden")]
    public void Logits_are_those_of_the_official_code(string name)
    {
        if (GoldenSource.Repository.Root is not { } root || !Directory.Exists(Path.Combine(root, "core/models", name)))
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var folder = Path.Combine(root, "core/models", name);
        using var weights = new SafetensorsReader(Path.Combine(folder, "model.safetensors"));
        using var expected = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
        using var model = Builder(name).Build();
        Fill(model, weights);

        var tokens = expected.Read("input_ids");
        Close.Check("logits", expected.Read("logits"), model.call(tokens, null), relativeToLargest: Tolerance);
        using var state = model.NewState(tokens.size(0));
        Close.Check("logits from a fresh state", expected.Read("logits"), model.call(tokens, new SequenceContext(state)), relativeToLargest: Tolerance);
        if (expected.Entries.Any(entry => entry.Name == "short.logits"))
        {
            var few = expected.Read("short.input_ids");
            using var steps = model.NewState(few.size(0));
            Close.Check("short", expected.Read("short.logits"), model.call(few, null), relativeToLargest: Tolerance);
            Close.Check("short, step by step", expected.Read("short.logits"), cat([.. few.split(1, 1).Select(token => model.call(token, new SequenceContext(steps)))], 1), relativeToLargest: Tolerance);
        }
        else
        {
            using var steps = model.NewState(tokens.size(0));
            Close.Check("step by step", expected.Read("logits"), cat([.. tokens.split(1, 1).Select(token => model.call(token, new SequenceContext(steps)))], 1), relativeToLargest: Tolerance);
        }
        if (name == "llama-dynamic")
            return; // the official code lets the longest row of a padded batch decide for all
        var mask = expected.Read("padded.attention_mask");
        var padded = model.call(expected.Read("padded.input_ids"), new SequenceContext(null, mask - 1));
        Close.Check("padded", expected.Read("padded.logits"), padded.masked_fill(mask.eq(0).unsqueeze(-1), 0), relativeToLargest: Tolerance);
    }

    // The official code keeps keys as they were turned when the text was shorter.
    [Fact]
    [Trait("Category", "Golden")]
    public void Dynamic_positions_per_token_are_the_official_step_by_step_logits_in_calls_of_any_lengths()
    {
        if (GoldenSource.Repository.Root is not { } root || Path.Combine(root, "core/models/llama-dynamic") is not { } folder || !Directory.Exists(folder))
            return;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var weights = new SafetensorsReader(Path.Combine(folder, "model.safetensors"));
        using var expected = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
        using var model = Llama(59, 32, 2, 2, 40).AddRotary(rotary => rotary.Scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 16, IsPerToken = true }).Build();
        Fill(model, weights);
        var tokens = expected.Read("input_ids");
        var logits = expected.Read("steps.logits");

        Assert.True((logits - expected.Read("logits")).abs().max().item<double>() > 1e-2);
        Close.Check("whole", logits, model.call(tokens, null), relativeToLargest: Tolerance);
        foreach (var piece in new long[] { 1, 5, 12, tokens.size(1) })
        {
            using var state = model.NewState(tokens.size(0));
            Close.Check($"in pieces of {piece}", logits, cat([.. tokens.split(piece, 1).Select(part => model.call(part, new SequenceContext(state)))], 1), relativeToLargest: Tolerance);
        }
        var shifted = cat([zeros(tokens.size(0), 3, ScalarType.Int64), tokens], 1);
        var segments = cat([full(tokens.size(0), 3, -1, ScalarType.Int64), zeros_like(tokens)], 1);
        Close.Check("padded", logits, model.call(shifted, new SequenceContext(null, segments)).narrow(1, 3, tokens.size(1)), relativeToLargest: Tolerance);
        Close.Check("short", expected.Read("short.logits"), model.call(expected.Read("short.input_ids"), null), relativeToLargest: Tolerance);
    }

    private static LanguageModelBuilder Builder(string name) => name switch
    {
        "llama-mha" => Llama(59, 28, 7, 7, 46).AddRotary(),
        "llama-linear" => Llama(59, 28, 2, 1, 46).AddRotary(rotary => rotary.Scaling = new LinearRotaryScaling { Factor = 2.5 }),
        "llama-dynamic" => Llama(59, 32, 2, 2, 40).AddRotary(rotary => rotary.Scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 16 }),
        "llama-yarn" => Llama(47, 32, 2, 1, 42).AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling { Factor = 4, OriginalLength = 32, BetaFast = 1, BetaSlow = 0.25 }),
        "llama3-rope" => Llama(47, 32, 2, 1, 42).AddRotary(rotary => rotary.Scaling = new Llama3RotaryScaling { Factor = 8, OriginalLength = 32 }),
        "phi3-longrope" => Llama(46, 32, 2, 1, 38, isTied: true).AddRotary(rotary => (rotary.Dim, rotary.Scaling) = (12, new LongRotaryScaling
        {
            OriginalLength = 16,
            Factor = 128.0 / 16,
            ShortFactor = [1.0, 1.03, 1.1, 1.2, 1.5, 1.7],
            LongFactor = [1.0, 1.2, 2.1, 4.5, 9.0, 20.0],
        })),
        "mistral-window" => Llama(59, 24, 4, 2, 46, layers: 3).AddRotary().AddSlidingWindowMask(window => window.Window = 7),
        _ => throw new ArgumentException($"No model is written down for {name}.", nameof(name)),
    };

    private static LanguageModelBuilder Llama(long vocabulary, long width, int heads, int keyHeads, long inner, int layers = 2, bool isTied = false)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = width, LayerCount = layers, Dtype = ScalarType.Float64 };
        builder.Options.IsHeadTied = isTied;
        return builder
            .AddRmsNorm(norm => norm.Epsilon = 1e-5)
            .AddGatedMlp(mlp => mlp.MlpDim = inner)
            .AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount, attention.HasBias) = (heads, keyHeads, false));
    }

    private static void Fill(LanguageModel model, SafetensorsReader weights)
    {
        foreach (var (name, parameter) in model.named_parameters())
            _ = parameter.copy_(Find(name, parameter, weights));
    }

    private static Tensor Find(string name, Tensor parameter, SafetensorsReader weights)
    {
        var theirs = name switch
        {
            "embeddings.word_embeddings.weight" => "model.embed_tokens.weight",
            "ln_f.weight" => "model.norm.weight",
            "lm_head.weight" => name,
            _ => $"model.{name}".Replace(".mixer.out_proj.", ".self_attn.o_proj.", StringComparison.Ordinal).Replace(".mixer.", ".self_attn.", StringComparison.Ordinal)
                .Replace(".norm1.", ".input_layernorm.", StringComparison.Ordinal).Replace(".norm2.", ".post_attention_layernorm.", StringComparison.Ordinal),
        };
        if (weights.Entries.Any(entry => entry.Name == theirs))
            return weights.Read(theirs);
        // Phi-3 joins queries, keys and values, and gate and up.
        var rows = parameter.size(0);
        var (joined, start) = theirs.Split('.')[^2] switch
        {
            "q_proj" => ("qkv_proj", 0L),
            "k_proj" => ("qkv_proj", 32),
            "v_proj" => ("qkv_proj", 48),
            "gate_proj" => ("gate_up_proj", 0),
            "up_proj" => ("gate_up_proj", rows),
            _ => throw new KeyNotFoundException(theirs),
        };
        return weights.Read(theirs.Replace(theirs.Split('.')[^2], joined, StringComparison.Ordinal)).narrow(0, start, rows);
    }
}
