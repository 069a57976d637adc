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
