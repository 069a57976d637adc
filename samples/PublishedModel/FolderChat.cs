using Microsoft.Extensions.AI;

namespace LmKit.FolderChat;

/// <summary>A conversation in a terminal; the model sees all of its turns.</summary>
/// <param name="client">Answers.</param>
/// <param name="system">What the model is told first; null for nothing.</param>
/// <param name="output">Where answers go.</param>
public sealed class FolderChat(IChatClient client, string? system, TextWriter output)
{
    private readonly List<ChatMessage> messages = system is null ? [] : [new(ChatRole.System, system)];

    /// <summary>Turns so far, the system's included.</summary>
    public IReadOnlyList<ChatMessage> Messages => messages;

    /// <summary>Says something and writes the answer as it comes.</summary>
    public async Task SayAsync(string text, CancellationToken cancellation)
    {
        messages.Add(new ChatMessage(ChatRole.User, text));
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync(messages, null, cancellation))
        {
            updates.Add(update);
            await output.WriteAsync(update.Text);
            await output.FlushAsync(cancellation);
        }
        await output.WriteLineAsync();
        messages.AddMessages(updates);
    }

    /// <summary>Takes a line a turn until an empty one.</summary>
    public async Task RunAsync(TextReader input, TextWriter prompts, CancellationToken cancellation)
    {
        while (true)
        {
            await prompts.WriteAsync("> ");
            // A console's own asynchronous read blocks its caller, who could not be stopped then.
            if (await Task.Run(input.ReadLine, CancellationToken.None).WaitAsync(cancellation) is not { Length: > 0 } line)
                return;
            await SayAsync(line, cancellation);
        }
    }
}
