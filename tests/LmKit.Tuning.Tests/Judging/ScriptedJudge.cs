using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

/// <summary>A judge that repeats all it was shown and then gives the verdict that a rule finds, with the call's number.</summary>
internal sealed partial class ScriptedJudge(Func<string, string, string, string> verdict, Func<int, HttpStatusCode?>? fails = null, bool hasNumber = true) : IChatClient
{
    private int calls;

    internal int Calls => calls;

    internal List<string> Numbers { get; } = [];

    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var call = Interlocked.Increment(ref calls);
        await Task.Yield();
        if (fails?.Invoke(call) is { } status)
            throw new HttpRequestException("scripted", null, status);
        var shown = messages.Single(message => message.Role == ChatRole.User).Text;
        var number = Number().Match(messages.Single(message => message.Role == ChatRole.System).Text).Groups[1].Value;
        lock (Numbers)
            Numbers.Add(number);
        var label = verdict(Part(shown, number, "question"), Part(shown, number, "answer A") ?? Part(shown, number, "answer"), Part(shown, number, "answer B"));
        return new ChatResponse(new ChatMessage(ChatRole.Assistant, $"I was shown:\n{shown}\n[[{(hasNumber ? number + ":" : "")}{label}]]"))
        {
            Usage = new UsageDetails { InputTokenCount = 10, OutputTokenCount = 3 },
        };
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Judges do not stream.");

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }

    private static string Part(string shown, string number, string name)
    {
        var (begin, end) = ($"<<<{number} {name}\n", $"\n{number} {name}>>>");
        var start = shown.IndexOf(begin, StringComparison.Ordinal);
        return start < 0 ? null! : shown[(start + begin.Length)..shown.IndexOf(end, StringComparison.Ordinal)];
    }

    [GeneratedRegex(@"<<<([0-9a-f]+) ")]
    private static partial Regex Number();
}
