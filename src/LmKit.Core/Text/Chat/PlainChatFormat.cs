using Microsoft.Extensions.AI;

namespace LmKit;

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
        return tokenizer.Tokenizer.EncodeToIds(string.Join('\n', messages.Select(message => message.Text)));
    }

    // The counts of tokens that an earlier answer ended with are no part of what was said.
    private static string? Unwritable(ChatMessage? message) =>
        message is null ? "is null"
        : message.Contents.Where(content => content is not (TextContent or UsageContent)).Select(content => $"({message.Role}) holds {content?.GetType().Name ?? "null"}").FirstOrDefault();
}
