using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace LmKit.InstructionTuning;

/// <summary>A judge that is a rule: of two answers the better one stays on the topic, states the asked fact, and asks nothing.</summary>
/// <remarks>It reads nothing but the conversation that every judge gets, and answers in a judge's form. Thread-safe.</remarks>
public sealed partial class TopicJudge(World world) : IChatClient
{
    /// <inheritdoc/>
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var shown = messages.Last(message => message.Role == ChatRole.User).Text;
        var parts = Part().Matches(shown).ToDictionary(match => match.Groups["name"].Value, match => match.Groups["text"].Value);
        var number = Part().Match(shown).Groups["number"].Value;
        var question = parts["question"];
        var (a, b) = (Points(question, parts["answer A"]), Points(question, parts["answer B"]));
        var verdict = a == b ? "A=B" : a > b ? "A>B" : "B>A";
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, $"A has {a} points, B has {b}.\n[[{number}:{verdict}]]")));
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages,
        ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
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

    private int Points(string question, string answer)
    {
        var entity = question.Split(' ').First(world.Entities.Contains);
        var attribute = Enumerable.Range(0, World.AttributeCount).First(index => World.Question(entity, index) == question);
        return new Reply(question, entity, attribute, answer, HasEnded: true).Points(world);
    }

    [GeneratedRegex(@"<<<(?<number>[0-9a-f]+) (?<name>question|answer A|answer B)\n(?<text>[^<>]*)\n[0-9a-f]+ (question|answer A|answer B)>>>")]
    private static partial Regex Part();
}
