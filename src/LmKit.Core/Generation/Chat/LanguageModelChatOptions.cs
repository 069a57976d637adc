using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Options of a chat client over a language model, which reads them when it is made.</summary>
public sealed class LanguageModelChatOptions
{
    /// <summary>The name that answers carry, and the only one that a request may ask for. Default lmkit.</summary>
    public string ModelId { get; set; } = "lmkit";

    /// <summary>Token steps computed at a time; further ones wait. Answers in progress take turns at them, and a reader who stops reading
    /// holds none. Default 4.</summary>
    [Range(1, int.MaxValue)]
    public int MaxParallelAnswers { get; set; } = 4;

    /// <summary>What a request leaves open; what is null here too is as the model's configured sampler has it. Filters and stop tokens apply to
    /// every answer, and stop sequences beside a request's own.</summary>
    public GenerationOptions Defaults { get; set; } = new();
}

/// <summary>Language models as chat clients.</summary>
public static class LanguageModelChat
{
    /// <summary>Serves a model as a chat client, drawing by its configured sampler; the model stays the caller's and should be in evaluation mode.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="format">How it takes conversations; plain text by default.</param>
    /// <param name="options">The client's options.</param>
    public static IChatClient AsChatClient(this ILanguageModel model, ModelTokenizer tokenizer, IChatFormat? format = null, LanguageModelChatOptions? options = null) =>
        new LanguageModelChatClient(model, tokenizer, format ?? new PlainChatFormat(tokenizer), options ?? new LanguageModelChatOptions());
}
