using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>How a model takes a conversation: messages to token ids, and what ends its answer.</summary>
/// <remarks>Implementations are safe for concurrent use. What messages contain must never become a special token, and nothing of a
/// message is dropped in silence: what a format cannot write it refuses.</remarks>
public interface IChatFormat
{
    /// <summary>Ids that end an answer.</summary>
    IReadOnlyList<long> StopTokens { get; }

    /// <summary>Texts of special tokens by id, those among them that the tokenizer does not have; a model may say them too.</summary>
    IReadOnlyDictionary<long, string> SpecialTokens => new Dictionary<long, string>();

    /// <summary>The ids of a conversation with the assistant's turn opened.</summary>
    /// <exception cref="ArgumentException">The format has no place for a message or for something in it; says which.</exception>
    IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages);

    /// <summary>The ids of a conversation in which the model is told of tools, with the assistant's turn opened.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="tools">The tools; with none it is the conversation alone.</param>
    /// <exception cref="ArgumentException">The format has no place for a message or for something in it; says which.</exception>
    /// <exception cref="NotSupportedException">The format has no place for tools, as is the case unless it says otherwise.</exception>
    IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages, IReadOnlyList<AITool> tools)
    {
        ArgumentNullException.ThrowIfNull(tools);
        return tools.Count == 0 ? Encode(messages) : throw new NotSupportedException($"{GetType().Name} has no place for tools ({string.Join(", ", tools.Select(tool => tool?.Name))}); leave Tools out, or take a chat template that uses them.");
    }
}

/// <summary>A conversation as plain text, for base models: the messages' texts, one after another, with no roles.</summary>
/// <remarks>Messages that hold anything but text are refused, and so are tools.</remarks>
public sealed class PlainChatFormat : IChatFormat
{
    private readonly ModelTokenizer tokenizer;

    /// <summary>Makes the format of a tokenizer; its end of text ends an answer.</summary>
    public PlainChatFormat(ModelTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.tokenizer = tokenizer;
        StopTokens = tokenizer.EndOfTextId is { } end ? [end] : [];
    }

    /// <inheritdoc/>
    public IReadOnlyList<long> StopTokens { get; }

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        for (var index = 0; index < messages.Count; index++)
        {
            if (Unwritable(messages[index]) is { } what)
                throw new ArgumentException($"Message {index} {what}, which plain text has no place for; send text, or take a format that writes it.", nameof(messages));
        }
        return tokenizer.EncodePrompt(string.Join('\n', messages.Select(message => message.Text)), allowSpecialTokens: false);
    }

    // The counts of tokens that an earlier answer ended with are no part of what was said.
    private static string? Unwritable(ChatMessage? message) =>
        message is null ? "is null"
        : message.Contents.Where(content => content is not (TextContent or UsageContent)).Select(content => $"({message.Role}) holds {content?.GetType().Name ?? "null"}").FirstOrDefault();
}
