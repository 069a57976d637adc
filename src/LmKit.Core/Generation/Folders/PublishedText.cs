using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Text in and out of a published folder, with nothing but the folder.</summary>
public static class PublishedText
{
    /// <summary>Serves a published model as a chat client: its tokenizer, chat template, stop tokens and generation settings are the folder's.</summary>
    /// <param name="model">The model; it stays the caller's.</param>
    /// <param name="options">The client's options. Where <see cref="GenerationOptions.MaxOutputTokens"/> of its defaults is null, it is <c>max_new_tokens</c> of
    /// the folder.</param>
    /// <inheritdoc cref="AsChatClient(ILanguageModel, string, LanguageModelChatOptions?)" path="/exception"/>
    public static IChatClient AsChatClient(this PublishedModel model, LanguageModelChatOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Model.AsChatClient(model.Folder, options);
    }

    /// <summary>Serves a model as a chat client with what a folder holds: tokenizer, chat template and stop tokens
    /// (<see cref="ChatTemplateFormat.Load(string, ModelTokenizer?, string, bool)"/>).</summary>
    /// <param name="model">The model; it stays the caller's and draws by its configured sampler.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="options">The client's options. Where <see cref="GenerationOptions.MaxOutputTokens"/> of its defaults is null, it is <c>max_new_tokens</c> of
    /// the folder.</param>
    /// <exception cref="TokenizerException">There is no tokenizer, its files are malformed, or it has ids that the model does not have.</exception>
    /// <exception cref="TemplateException">There is no template, or it cannot be read. A model without one can be served as plain text
    /// (<see cref="PlainChatFormat"/>) or with a named template.</exception>
    /// <exception cref="ConfigurationException">A generation setting is malformed, or a stop token is no id of the model.</exception>
    public static IChatClient AsChatClient(this ILanguageModel model, string folder, LanguageModelChatOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var tokenizer = TokenizerFiles.Load(folder, model.VocabSize);
        return model.AsChatClient(tokenizer, ChatTemplateFormat.Load(folder, tokenizer, ChatTemplate.DefaultName, allowSpecialTokens: false, model.VocabSize), options);
    }

    /// <summary>Makes a generator of texts over a published model: its tokenizer and its generation settings are the folder's.</summary>
    /// <param name="model">The model; it stays the caller's.</param>
    /// <exception cref="TokenizerException">There is no tokenizer, its files are malformed, or it has ids that the model does not have.</exception>
    public static TextGenerator CreateTextGenerator(this PublishedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return new TextGenerator(model.Model.CreateSampler(), model.LoadTokenizer(), model.Model.VocabSize);
    }

    /// <summary>Serves a published model's final hidden states as vectors of texts, with its folder's tokenizer.</summary>
    /// <param name="model">The model; it stays the caller's.</param>
    /// <param name="options">The generator's options.</param>
    /// <exception cref="TokenizerException">There is no tokenizer, its files are malformed, or it has ids that the model does not have.</exception>
    /// <exception cref="ArgumentException">Options do not fit the model.</exception>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(this PublishedModel model, LanguageModelEmbeddingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.Model.AsEmbeddingGenerator(model.LoadTokenizer(), options);
    }

    /// <summary>Loads the tokenizer of a published model's folder.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="TokenizerException">There is none, its files are malformed, or it has ids that the model does not have.</exception>
    public static ModelTokenizer LoadTokenizer(this PublishedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return TokenizerFiles.Load(model.Folder, model.Model.VocabSize);
    }
}
