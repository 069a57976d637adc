using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Refuses what a language model in this process cannot do, by the option's name, before anything is computed.</summary>
internal static class ChatRequestCheck
{
    /// <summary>Checks the options that are neither sampling nor text.</summary>
    /// <param name="client">The client, for <see cref="ChatOptions.RawRepresentationFactory"/>.</param>
    /// <param name="options">The request's options.</param>
    /// <param name="modelId">The model's own name.</param>
    internal static void Check(IChatClient client, ChatOptions? options, string modelId)
    {
        if (options is null)
            return;
        OptionRanges.CheckCount(options.MaxOutputTokens ?? 0, nameof(ChatOptions.MaxOutputTokens));
        if (options.ModelId is { } asked && asked != modelId)
            throw new ArgumentException($"ModelId asks for '{asked}'; this client serves '{modelId}' alone. Leave it out, or ask that model's client.", nameof(options));
        Refuse(options.ResponseFormat is not (null or ChatResponseFormatText), "ResponseFormat asks for JSON, which the model cannot be held to; leave it out and check the text.");
        Refuse(options.ToolMode is RequiredChatToolMode, "ToolMode requires a tool call, which this model cannot be held to.");
        Refuse(options.AllowMultipleToolCalls is false && options.Tools is { Count: > 0 }, "AllowMultipleToolCalls forbids several tool calls, which this model cannot be held to; leave it out.");
        Refuse(options.ConversationId is not null, "ConversationId names a conversation, and this client keeps none; leave it out and send all messages.");
        Refuse(options.Reasoning is { } reasoning && (reasoning.Effort is not null || reasoning.Output is not null), "Reasoning asks for an effort or an output of reasoning, which this client does not know of; leave it out.");
        Refuse(options.AllowBackgroundResponses is true, "AllowBackgroundResponses: this client answers in the foreground only; leave it out.");
        Refuse(options.ContinuationToken is not null, "ContinuationToken: this client gives none, so it can go on from none; leave it out.");
        Refuse(options.AdditionalProperties is { Count: > 0 }, $"AdditionalProperties holds {string.Join(", ", options.AdditionalProperties?.Keys ?? [])}, which this client does not know; leave them out.");
        Refuse(options.RawRepresentationFactory?.Invoke(client) is not null, "RawRepresentationFactory gives options of a service, and this client calls none; leave it out.");
    }

    /// <summary>The tools that the model is told of.</summary>
    internal static IReadOnlyList<AITool> Tools(ChatOptions? options)
    {
        if (options?.Tools is not { Count: > 0 } tools || options.ToolMode is NoneChatToolMode)
            return [];
        return !tools.Contains(null!) ? [.. tools] : throw new ArgumentException($"Tools[{tools.IndexOf(null!)}] is null.", nameof(options));
    }

    private static void Refuse(bool isAsked, string message)
    {
        if (isAsked)
            throw new NotSupportedException(message);
    }
}
