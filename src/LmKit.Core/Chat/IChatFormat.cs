using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>How a model takes a conversation: messages to token ids, and what ends its answer.</summary>
/// <remarks>Implementations are safe for concurrent use. What messages contain must never become a special token.</remarks>
public interface IChatFormat
{
    /// <summary>Ids that end an answer.</summary>
    IReadOnlyList<long> StopTokens { get; }

    /// <summary>The ids of a conversation with the assistant's turn opened.</summary>
    /// <exception cref="ArgumentException">The format has no place for a message; says which.</exception>
    IReadOnlyList<int> Encode(IReadOnlyList<ChatMessage> messages);
}
