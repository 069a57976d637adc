using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>How the hidden states of a text's tokens become its vector.</summary>
public enum EmbeddingPooling
{
    /// <summary>Their mean, over all tokens of the text, those included that the tokenizer puts around it.</summary>
    Mean,

    /// <summary>The last token's, which has seen the whole text in a causal model.</summary>
    LastToken,
}

/// <summary>Options of an embedding generator over a language model, which reads them when it is made.</summary>
public sealed class LanguageModelEmbeddingOptions
{
    /// <summary>The name that vectors carry, and the only one that a request may ask for. Default lmkit.</summary>
    public string ModelId { get; set; } = "lmkit";

    /// <summary>How hidden states become one vector. Default the mean.</summary>
    public EmbeddingPooling Pooling { get; set; }

    /// <summary>Whether each vector is divided by its length, so that the product of two is the cosine of their angle. Default true.</summary>
    public bool Normalizes { get; set; } = true;

    /// <summary>What is put before each text, as models want it that were trained with "query: " and "passage: ". Default nothing.</summary>
    public string Prefix { get; set; } = "";

    /// <summary>The most tokens of a text, prefix and what the tokenizer puts around it included. Null, the default, for as many as the model reads.</summary>
    [Range(1, int.MaxValue)]
    public int? MaxTextTokens { get; set; }

    /// <summary>Whether a longer text loses its end, what the tokenizer puts behind a text kept. By default it is refused.</summary>
    public bool Truncates { get; set; }

    /// <summary>The most texts that are read together. Default 32.</summary>
    [Range(1, int.MaxValue)]
    public int BatchSize { get; set; } = 32;

    /// <summary>The most tokens that are read together, padding included; a longer text is read alone. Default 4096.</summary>
    [Range(1, int.MaxValue)]
    public int MaxBatchTokens { get; set; } = 4096;

    /// <summary>Batches computed at a time; further ones wait. Requests in progress take turns at them. Default 1.</summary>
    [Range(1, int.MaxValue)]
    public int MaxParallelBatches { get; set; } = 1;
}

/// <summary>Language models as embedding generators.</summary>
public static class LanguageModelEmbedding
{
    /// <summary>Serves a model's final hidden states, behind its last norm, as vectors of texts; the model stays the caller's and must be in evaluation mode.</summary>
    /// <param name="model">The model, causal or not.</param>
    /// <param name="tokenizer">Its tokenizer. What its file puts around a text is put there; special tokens spelled in a text stay text.</param>
    /// <param name="options">The generator's options.</param>
    /// <returns>The generator. It serves calls side by side; of one call the vectors come in the order of the texts. A text has the vector that it
    /// has alone, up to rounding, whatever is read together with it.</returns>
    /// <exception cref="ArgumentException">The tokenizer has ids that the model does not have, or options do not fit.</exception>
    /// <exception cref="NotSupportedException">The model is conditioned by noise levels, or gives no hidden states; names it.</exception>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(this ILanguageModel model, ModelTokenizer tokenizer, LanguageModelEmbeddingOptions? options = null) =>
        new LanguageModelEmbeddingGenerator(model, tokenizer, options ?? new LanguageModelEmbeddingOptions());
}
