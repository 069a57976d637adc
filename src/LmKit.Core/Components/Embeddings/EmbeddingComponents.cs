namespace LmKit;

/// <summary>Core's embeddings as components.</summary>
public static class EmbeddingComponents
{
    /// <summary>The table of token vectors.</summary>
    public static readonly Kind<IEmbedding> Token = Slots.Embedding.Define("token", layer => new TokenEmbedding(layer));

    /// <summary>Chooses the table of token vectors; the default.</summary>
    /// <param name="builder">The builder.</param>
    public static LanguageModelBuilder AddTokenEmbedding(this LanguageModelBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Token);
    }
}
