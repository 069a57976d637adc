using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>A conversation as plain text, for base models: the messages' texts, one after another, with no roles.</summary>
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
        return tokenizer.Tokenizer.EncodeToIds(string.Join('\n', messages.Select(message => message.Text)));
    }
}
