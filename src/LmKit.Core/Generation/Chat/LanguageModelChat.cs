using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Language models as chat clients.</summary>
public static class LanguageModelChat
{
    /// <summary>Serves a causal model as a chat client; the model stays the caller's and should be in evaluation mode.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="format">How it takes conversations; plain text by default.</param>
    /// <param name="options">Defaults for what requests leave open.</param>
    public static IChatClient AsChatClient(this ILanguageModel model, ModelTokenizer tokenizer, IChatFormat? format = null, LanguageModelChatOptions? options = null) =>
        new LanguageModelChatClient(model, tokenizer, format ?? new PlainChatFormat(tokenizer), options ?? new LanguageModelChatOptions());
}
