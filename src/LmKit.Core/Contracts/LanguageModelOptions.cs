using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What a language model is beside its components: sizes and the treatment of embedding, residual and head.</summary>
public sealed class LanguageModelOptions
{
    /// <summary>Vocabulary size V; no default.</summary>
    [Range(1, int.MaxValue)]
    public long VocabSize { get; set; }

    /// <summary>Model width D (d_model); no default.</summary>
    [Range(1, 1 << 20)]
    [JsonPropertyName("d_model")]
    public long ModelDim { get; set; }

    /// <summary>Number of layers (n_layer); no default.</summary>
    [Range(1, 10_000)]
    [JsonPropertyName("n_layer")]
    public int LayerCount { get; set; }

    /// <summary>Whether tokens see later tokens too, as a denoiser needs; every mixer must then be non-causal. Default false.</summary>
    public bool IsBidirectional { get; set; }

    /// <summary>Whether the head is the embedding transposed. Default true (H3, GPT-2).</summary>
    [JsonPropertyName("tie_word_embeddings")]
    public bool IsHeadTied { get; set; } = true;

    /// <summary>From what dense weights, their biases and tables of embeddings are drawn. Default normal (GPT-2).</summary>
    public WeightInitializer Initializer { get; set; }

    /// <summary>Standard deviation of normal weights at the start. Default 0.02 (GPT-2); residual outputs are divided by sqrt(2 n_layer). Another
    /// value than the default is refused where <see cref="Initializer"/> does not read it.</summary>
    [Range(0.0, 10.0)]
    public double InitializerRange { get; set; } = 0.02;

    /// <summary>Dropout on the embedding. Default 0 (the H3 recipe trains with 0.1).</summary>
    [Range(0.0, 0.999)]
    public double EmbeddingDropoutRate { get; set; }

    /// <summary>Dropout on each residual branch. Default 0.</summary>
    [Range(0.0, 0.999)]
    public double ResidualDropoutRate { get; set; }

    /// <summary>Seed of the initial parameters and of dropout. Default 0.</summary>
    public ulong Seed { get; set; }
}
