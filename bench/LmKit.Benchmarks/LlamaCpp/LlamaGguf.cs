using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.LlamaCpp;

/// <summary>Writes the weights of a LLaMA of ours as a GGUF file with llama.cpp's names, float32, and without a vocabulary.</summary>
/// <remarks>Llama.cpp turns neighbouring features (2t, 2t + 1) where ours are halves (t, t + P/2), as in the published checkpoints; so the
/// rows of the query and key weights change places within each head, which changes no score.</remarks>
internal static class LlamaGguf
{
    private static readonly (string Theirs, string Ours)[] layerNames =
    [
        ("attn_norm", "norm1"),
        ("attn_q", "mixer.q_proj"),
        ("attn_k", "mixer.k_proj"),
        ("attn_v", "mixer.v_proj"),
        ("attn_output", "mixer.out_proj"),
        ("ffn_norm", "norm2"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ];

    internal static void Write(string path, LanguageModel model, LlamaShape shape, uint contextLength)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        GgufFile.Write(path, Metadata(shape, contextLength), [.. Tensors(model, shape)]);
    }

    private static List<(string, GgufValue)> Metadata(LlamaShape shape, uint contextLength) =>
    [
        ("general.architecture", "llama"),
        ("general.file_type", 0u),   // all float32
        ("llama.context_length", contextLength),
        ("llama.embedding_length", (uint)shape.ModelDim),
        ("llama.block_count", (uint)shape.LayerCount),
        ("llama.feed_forward_length", (uint)shape.MlpDim),
        ("llama.attention.head_count", (uint)shape.HeadCount),
        ("llama.attention.head_count_kv", (uint)shape.KeyValueHeadCount),
        ("llama.attention.layer_norm_rms_epsilon", (float)shape.NormEpsilon),
        ("llama.rope.dimension_count", (uint)shape.HeadDim),
        ("llama.rope.freq_base", (float)shape.RotaryBase),
        ("llama.vocab_size", (uint)shape.VocabSize),
        ("tokenizer.ggml.model", "none"),
    ];

    private static IEnumerable<(string, Tensor)> Tensors(LanguageModel model, LlamaShape shape)
    {
        yield return ("token_embd.weight", Parameter("embeddings.word_embeddings"));
        yield return ("output_norm.weight", Parameter("ln_f"));
        yield return ("output.weight", Parameter("lm_head"));
        for (var layer = 0; layer < shape.LayerCount; layer++)
        {
            foreach (var (theirs, ours) in layerNames)
            {
                var weight = Parameter($"layers.{layer}.{ours}");
                yield return ($"blk.{layer}.{theirs}.weight", theirs is "attn_q" or "attn_k" ? Neighboured(weight, shape.HeadDim) : weight);
            }
        }

        Tensor Parameter(string name) => model.get_parameter($"{name}.weight") ?? throw new ArgumentException($"The model has no parameter '{name}.weight'.");
    }

    /// <summary>Puts the rows t and t + P/2 of each head beside each other.</summary>
    internal static Tensor Neighboured(Tensor weight, long headDim) =>
        weight.view(-1, 2, headDim / 2, weight.size(1)).transpose(1, 2).reshape(weight.shape);
}
