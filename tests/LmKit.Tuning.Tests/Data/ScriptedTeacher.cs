using System.Net;
using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

/// <summary>A teacher whose answer is a function of its prompt, and whose failures are scripted.</summary>
internal sealed class ScriptedTeacher(Func<string, int, HttpStatusCode?>? fails = null, bool hangs = false) : IChatClient
{
    private int calls;

    internal int Calls => calls;

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var call = Interlocked.Increment(ref calls);
        await Task.Yield();
        if (hangs)
            await new TaskCompletionSource().Task;
        var prompt = messages.Single(message => message.Role == ChatRole.User).Text;
        if (fails?.Invoke(prompt, call) is { } status)
            throw new HttpRequestException("scripted", null, status);
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, $"It goes on after {prompt.Split(' ')[0]} ."))
        {
            FinishReason = ChatFinishReason.Stop,
            ModelId = "scripted",
            Usage = new UsageDetails { InputTokenCount = prompt.Length, OutputTokenCount = 5 },
        };
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The data set does not stream.");

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }
}
