using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

/// <summary>The published families as plain sums of doubles, from the older keys of <c>config.json</c> and the published names. Written from the
/// formulas alone: nothing of it is the library's.</summary>
internal sealed partial class PlainModel
{
    private readonly JsonObject config;
    private readonly IReadOnlyDictionary<string, double[]> weights;
    private readonly HashSet<string> unread;
    private readonly string family;
    private readonly string prefix;
    private readonly int width;
    private readonly int layers;
    private readonly int queries;
    private readonly int keys;
    private readonly int head;

    internal PlainModel(JsonObject config, IReadOnlyDictionary<string, double[]> weights)
    {
        (this.config, this.weights, unread) = (config, weights, [.. weights.Keys]);
        family = config["model_type"]!.GetValue<string>();
        prefix = family switch { "gpt2" or "gptj" or "mpt" or "bloom" => "transformer.", "gpt_neox" => "gpt_neox.", _ => "model." };
        width = Whole("hidden_size", Whole("n_embd", Whole("n_embed", Whole("d_model", 0))));
        layers = Whole("num_hidden_layers", Whole("n_layer", Whole("n_layers", 0)));
        queries = Whole("num_attention_heads", Whole("n_head", Whole("n_heads", 0)));
        var isPlain = family is "gpt2" or "gptj" or "mpt" or "bloom" or "gpt_neox";
        keys = isPlain ? queries : Whole("num_key_value_heads", family switch { "mistral" => 8, "qwen2" or "qwen3" => 32, "gemma2" or "gemma3_text" => 4, _ => queries });
        head = isPlain ? width / queries : Whole("head_dim", family switch { "qwen3" => 128, "gemma2" or "gemma3_text" => 256, _ => width / queries });
    }

    /// <summary>Names of weights that no sum has read.</summary>
    internal IEnumerable<string> Unread => unread;

    private bool IsGemma => family is "gemma2" or "gemma3_text";

    /// <summary>The logits of a row of tokens, one line a token.</summary>
    internal double[][] Logits(long[] tokens)
    {
        var table = Weight(family switch { "gpt2" or "gptj" or "mpt" => "wte.weight", "gpt_neox" => "embed_in.weight", "bloom" => "word_embeddings.weight", _ => "embed_tokens.weight" });
        var x = tokens.Select(token => table[((int)token * width)..(((int)token + 1) * width)]).ToArray();
        if (IsGemma)
            x = [.. x.Select(row => row.Select(value => value * Math.Sqrt(width)).ToArray())];
        if (family == "gpt2")
            x = [.. x.Select((row, position) => Sum(row, Weight("wpe.weight")[(position * width)..((position + 1) * width)]))];
        if (family == "bloom")
            x = Norm("word_embeddings_layernorm", x);
        for (var layer = 0; layer < layers; layer++)
            x = Layer(layer, x);
        x = Norm(family switch { "gpt2" or "gptj" or "bloom" => "ln_f", "gpt_neox" => "final_layer_norm", "mpt" => "norm_f", _ => "norm" }, x);
        var isTied = Flag("tie_word_embeddings", family is "gpt2" or "mpt" or "bloom" || IsGemma);
        var name = family == "gpt_neox" ? "embed_out" : "lm_head";
        var (matrix, bias) = (isTied ? table : Weight(name + ".weight"), family == "gptj" ? Weight(name + ".bias") : null);
        var cap = IsGemma ? Number("final_logit_softcapping", config.ContainsKey("final_logit_softcapping") || family == "gemma3_text" ? 0 : 30) : 0;
        return [.. x.Select(row => Times(row, matrix, bias).Select(value => cap > 0 ? cap * Math.Tanh(value / cap) : value).ToArray())];
    }

    private double[][] Layer(int layer, double[][] x)
    {
        string At(string name) => family switch { "gpt2" or "gptj" or "bloom" => $"h.{layer}.{name}", "mpt" => $"blocks.{layer}.{name}", _ => $"layers.{layer}.{name}" };
        double[][] Normed(string name, double[][] rows) => Norm(At(name), rows);
        double[][] Feed(double[][] rows) => FeedForward(At, rows);
        double[][] Attended(double[][] rows) => Attention(layer, At, rows);
        switch (family)
        {
            case "gpt_neox" when Flag("use_parallel_residual", true):
                return Sum(Sum(x, Attended(Normed("input_layernorm", x))), Feed(Normed("post_attention_layernorm", x)));
            case "gptj":
                var one = Normed("ln_1", x);
                return Sum(Sum(x, Attended(one)), Feed(one));
            case "gemma2" or "gemma3_text":
                x = Sum(x, Normed("post_attention_layernorm", Attended(Normed("input_layernorm", x))));
                return Sum(x, Normed("post_feedforward_layernorm", Feed(Normed("pre_feedforward_layernorm", x))));
            case "olmo2":
                x = Sum(x, Normed("post_attention_layernorm", Attended(x)));
                return Sum(x, Normed("post_feedforward_layernorm", Feed(x)));
            case "bloom" when Flag("apply_residual_connection_post_layernorm", false):
                var first = Normed("input_layernorm", x);
                var second = Normed("post_attention_layernorm", Sum(first, Attended(first)));
                return Sum(second, Feed(second));
            default:
                var (before, after) = family switch { "gpt2" => ("ln_1", "ln_2"), "mpt" => ("norm_1", "norm_2"), _ => ("input_layernorm", "post_attention_layernorm") };
                x = Sum(x, Attended(Normed(before, x)));
                return Sum(x, Feed(Normed(after, x)));
        }
    }

    private double[][] FeedForward(Func<string, string> at, double[][] x)
    {
        var activation = family switch
        {
            "mpt" => "gelu",
            "bloom" => "bloom",
            "gpt2" or "gptj" => Text("activation_function", "gelu_new"),
            "gemma2" or "gemma3_text" => Text("hidden_activation", "gelu_pytorch_tanh"),
            _ => Text("hidden_act", family == "gpt_neox" ? "gelu" : "silu"),
        };
        var (up, down) = family switch { "gpt2" => ("mlp.c_fc", "mlp.c_proj"), "gptj" => ("mlp.fc_in", "mlp.fc_out"), "mpt" => ("ffn.up_proj", "ffn.down_proj"), "gpt_neox" or "bloom" => ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"), _ => ("mlp.up_proj", "mlp.down_proj") };
        return [.. x.Select(row =>
        {
            double[] inner;
            if (family == "phi3")
            {
                var both = Linear(at("mlp.gate_up_proj"), row);
                var half = both.Length / 2;
                inner = [.. Enumerable.Range(0, half).Select(i => Activate(activation, both[i]) * both[half + i])];
            }
            else if (prefix == "model.")
            {
                var gate = Linear(at("mlp.gate_proj"), row);
                inner = [.. Linear(at(up), row).Select((value, i) => Activate(activation, gate[i]) * value)];
            }
            else
            {
                inner = [.. Linear(at(up), row).Select(value => Activate(activation, value))];
            }
            return Linear(at(down), inner);
        })];
    }

    private double[][] Norm(string name, double[][] x)
    {
        var isLayerNorm = prefix != "model.";
        var epsilon = isLayerNorm ? Number(family == "gpt_neox" ? "layer_norm_eps" : "layer_norm_epsilon", 1e-5) : Number("rms_norm_eps", family is "phi3" or "olmo2" ? 1e-5 : 1e-6);
        var weight = Weight(name + ".weight");
        var bias = isLayerNorm && family != "mpt" ? Weight(name + ".bias") : null;
        return [.. x.Select(row =>
        {
            var mean = isLayerNorm ? row.Average() : 0;
            var root = Math.Sqrt(row.Select(value => (value - mean) * (value - mean)).Average() + epsilon);
            return row.Select((value, i) => ((value - mean) / root * (weight[i] + (IsGemma ? 1 : 0))) + (bias?[i] ?? 0)).ToArray();
        })];
    }

    // Stored [out, in], and [in, out] in GPT-2.
    private double[] Linear(string name, double[] x)
    {
        var matrix = Weight(name + ".weight");
        var bias = HasBias(name) ? Weight(name + ".bias") : null;
        if (family != "gpt2")
            return Times(x, matrix, bias);
        var count = matrix.Length / x.Length;
        return [.. Enumerable.Range(0, count).Select(column => Enumerable.Range(0, x.Length).Sum(row => x[row] * matrix[(row * count) + column]) + bias![column])];
    }

    private bool HasBias(string name) => family switch
    {
        "gpt2" or "bloom" => true,
        "gptj" => name.Contains(".mlp.", StringComparison.Ordinal),
        "gpt_neox" => name.Contains(".mlp.", StringComparison.Ordinal) || Flag("attention_bias", true),
        "llama" => Flag(name.Contains(".mlp.", StringComparison.Ordinal) ? "mlp_bias" : "attention_bias", false),
        "qwen2" => name.Contains(".self_attn.", StringComparison.Ordinal) && !name.EndsWith("o_proj", StringComparison.Ordinal),
        "qwen3" or "gemma2" or "gemma3_text" or "olmo2" => name.Contains(".self_attn.", StringComparison.Ordinal) && Flag("attention_bias", false),
        _ => false,
    };

    private static double[] Times(double[] x, double[] matrix, double[]? bias) =>
        [.. Enumerable.Range(0, matrix.Length / x.Length).Select(row => Enumerable.Range(0, x.Length).Sum(column => x[column] * matrix[(row * x.Length) + column]) + (bias?[row] ?? 0))];

    private static double Activate(string name, double x) => name switch
    {
        "silu" => x / (1 + Math.Exp(-x)),
        "relu" => Math.Max(x, 0),
        "gelu" => x / 2 * (1 + Erf(x / Math.Sqrt(2))),
        "gelu_new" or "gelu_pytorch_tanh" => x / 2 * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        "gelu_fast" => x / 2 * (1 + Math.Tanh(0.7978845608 * (x + (0.044715 * x * x * x)))),
        "bloom" => x / 2 * (1 + Math.Tanh(0.79788456 * (x + (0.044715 * x * x * x)))),
        _ => throw new ArgumentException(name),
    };

    // 2/sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / 15 + ...); all terms have one sign.
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 6)
            return Math.Sign(x);
        var (sum, term) = (x, x);
        for (var k = 1; k < 200; k++)
        {
            term *= 2 * x * x / ((2 * k) + 1);
            sum += term;
        }
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[][] Sum(double[][] a, double[][] b) => [.. a.Zip(b, Sum)];

    private double[] Weight(string name)
    {
        name = weights.ContainsKey(name) ? name : prefix + name;
        _ = unread.Remove(name);
        return weights[name];
    }

    private int Whole(string name, int otherwise) => (int)Number(name, otherwise);

    private double Number(string name, double otherwise) => config[name]?.GetValue<double>() ?? otherwise;

    private bool Flag(string name, bool otherwise) => config[name]?.GetValue<bool>() ?? otherwise;

    private string Text(string name, string otherwise) => config[name]?.GetValue<string>() ?? otherwise;
}
