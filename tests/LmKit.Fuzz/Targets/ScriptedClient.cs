using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace LmKit.Fuzz;

/// <summary>A client whose answer follows from the question: a teacher's sentence, or a judge's grade.</summary>
internal sealed partial class ScriptedClient(bool judges) : IChatClient
{
    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var all = messages.ToArray();
        var number = Number().Match(all.FirstOrDefault(message => message.Role == ChatRole.System)?.Text ?? "").Groups[1].Value;
        var answer = judges ? $"Good. [[{number}:7]]" : $"It goes on after {all[^1].Text.Split(' ')[0]} .";
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, answer)) { FinishReason = ChatFinishReason.Stop, ModelId = "scripted" });
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("It does not stream.");

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }

    [GeneratedRegex(@"<<<([0-9a-f]+) ")]
    private static partial Regex Number();
}
