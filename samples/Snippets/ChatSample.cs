using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace LmKit.Snippets;

/// <summary>The samples of chats with published folders in the READMEs and in docs/published-models.md.</summary>
internal static class ChatSample
{
    /// <summary>A chat from a folder alone.</summary>
    internal static async Task ChatAsync(string folder)
    {
        using var published = PublishedModel.Load(folder); // the weights, as Hugging Face publishes them
        using var chat = published.AsChatClient();         // tokenizer, chat template, stop tokens and settings of the same folder
        List<ChatMessage> messages = [new(ChatRole.System, "Answer in one sentence.")];
        while (Console.ReadLine() is { Length: > 0 } line)
        {
            messages.Add(new(ChatRole.User, line));
            var updates = new List<ChatResponseUpdate>();
            await foreach (var update in chat.GetStreamingResponseAsync(messages))
            {
                Console.Write(update.Text);
                updates.Add(update);
            }
            messages.AddMessages(updates);
        }
    }

    /// <summary>The same in a container.</summary>
    internal static void Register(IServiceCollection services, string folder)
    {
        _ = services.AddLanguageModel(folder);
        _ = services.AddChatClient(provider => provider.GetRequiredService<LanguageModel>()
            .AsChatClient(provider.GetRequiredService<ModelTokenizer>(), provider.GetRequiredService<IChatFormat>()));
    }
}
