using Microsoft.Extensions.AI;

namespace LmKit.InstructionTuning;

/// <summary>A teacher that knows the world: it goes on about the last place that a text names, in the lecture's register.</summary>
/// <remarks>It states up to three facts that the text has not stated. Its answer is a function of the text. Thread-safe.</remarks>
public sealed class WorldTeacher(World world) : IChatClient
{
    /// <summary>Facts that an answer states at most.</summary>
    public const int MostFacts = 3;

    /// <summary>How many facts a text states in the lecture's register.</summary>
    public static int FactsOf(string text) => text.Split(World.Marked("")).Length - 1;

    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var text = messages.Last(message => message.Role == ChatRole.User).Text;
        var answer = Continue(text);
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, answer))
        {
            ModelId = "world",
            FinishReason = ChatFinishReason.Stop,
            Usage = new UsageDetails { InputTokenCount = World.WordCount(text), OutputTokenCount = World.WordCount(answer) },
        });
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
            yield return update;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) => serviceKey is null && serviceType.IsInstanceOfType(this) ? this : null;

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private string Continue(string text)
    {
        var said = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var entity = said.Last(world.Entities.Contains);
        int[] left = [.. Enumerable.Range(0, World.AttributeCount).Where(attribute => !said.Contains(world.Value(entity, attribute)))];
        var order = SplitMix.Permutation(left.Length, unchecked((long)DocumentKey.Of(0, text)), 0);
        var facts = order.Take(MostFacts).Select(place => World.Marked(world.Statement(entity, left[place])));
        return string.Join(' ', facts.Append(World.Closing(entity)));
    }

}
