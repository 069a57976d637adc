using System.CommandLine;
using Microsoft.Extensions.AI;
using TorchSharp;

namespace LmKit.FolderChat;

/// <summary>The command line: a published folder in, a chat in the terminal.</summary>
public static class FolderChatCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="args">The folder and the options.</param>
    /// <param name="input">What the user says, a line a turn; an empty line or its end ends the chat.</param>
    /// <param name="output">Where answers go.</param>
    /// <param name="errors">Where everything else goes.</param>
    /// <returns>0, or 1 after an error, or 130 when stopped.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextReader input, TextWriter output, TextWriter errors)
    {
        var folder = new Argument<string>("folder") { Description = "A model's folder in the layout of Hugging Face." };
        var lambda = new Option<long?>("--lambda") { Description = "Attend by a Lambda mask: the first tokens and this many of the last ones (2048 without a number).", Arity = ArgumentArity.ZeroOrOne };
        var packed = new Option<WeightFormat?>("--packed") { Description = "Keep weights packed for generation: bf16 or f32.", CustomParser = result => Format(result.Tokens[0].Value, result.AddError) };
        var adapter = new Option<string?>("--adapter") { Description = "A folder with a LoRA adapter for the model." };
        var template = new Option<string?>("--template") { Description = "A template of LmKit's in place of the folder's: chatml, llama-2, llama-3, mistral, zephyr, alpaca, vicuna or plain." };
        var system = new Option<string?>("--system") { Description = "What the model is told before the chat." };
        var prompt = new Option<string?>("--prompt") { Description = "Say this, show the answer, and end." };
        var tokens = new Option<int?>("--tokens") { Description = "Most tokens of an answer. Default: the folder's max_new_tokens, else 256." };
        var seed = new Option<long?>("--seed") { Description = "Seed of the draws." };
        var greedy = new Option<bool>("--greedy") { Description = "Take the most likely token each time." };
        var describe = new Option<bool>("--describe") { Description = "Say what the folder holds, and end." };
        var command = new RootCommand("Chats with a published model from its folder alone: weights, tokenizer, chat template, stop tokens and generation settings.")
        {
            folder, lambda, packed, adapter, template, system, prompt, tokens, seed, greedy, describe,
        };
        command.SetAction(async (arguments, cancellation) =>
        {
            var path = arguments.GetValue(folder)!;
            using var published = Open(path, arguments.GetResult(lambda) is null ? null : arguments.GetValue(lambda) ?? 2_048, arguments.GetValue(packed), arguments.GetValue(adapter));
            await errors.WriteLineAsync(arguments.GetValue(describe) ? published.Describe() : published.ToString());
            if (arguments.GetValue(describe))
                return;
            var options = new LanguageModelChatOptions();
            (options.Defaults.MaxOutputTokens, options.Defaults.Seed) = (arguments.GetValue(tokens), arguments.GetValue(seed));
            if (arguments.GetValue(greedy))
                options.Defaults.Temperature = 0;
            using var client = Client(published, arguments.GetValue(template), options, errors);
            var chat = new FolderChat(client, arguments.GetValue(system), output);
            if (arguments.GetValue(prompt) is { } once)
                await chat.SayAsync(once, cancellation);
            else
                await chat.RunAsync(input, errors, cancellation);
        });
        try
        {
            var parsed = command.Parse(args);
            foreach (var error in parsed.Errors)
                await errors.WriteLineAsync(error.Message);
            return parsed.Errors.Count > 0 ? 1 : await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, Output = output, Error = errors });
        }
        catch (OperationCanceledException)
        {
            await errors.WriteLineAsync("Stopped.");
            return 130;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException or InvalidDataException or ConfigurationException or CheckpointException
            or CheckpointMismatchException or TemplateException or AdapterException or LibTorchNotFoundException)
        {
            await errors.WriteLineAsync(error.Message);
            return 1;
        }
    }

    private static WeightFormat? Format(string text, Action<string> refuse)
    {
        switch (text.ToLowerInvariant())
        {
            case "bf16":
                return WeightFormat.BFloat16;
            case "f32":
                return WeightFormat.Full;
            default:
                refuse($"--packed {text} is no format of packed weights; give bf16 or f32.");
                return null;
        }
    }

    private static PublishedModel Open(string folder, long? lambda, WeightFormat? packed, string? adapter)
    {
        var layout = PublishedLayout.Read(folder);
        var config = adapter is null ? null : AdapterFile.ReadConfig(adapter);
        var published = PublishedModel.Load(folder, builder =>
        {
            if (lambda is { } length)
                _ = builder.AddLambdaMask(mask => mask.LocalLength = length);
            if (packed is { } format)
                _ = builder.AddPackedLinear(options => options.Format = format);
            if (config is not null)
                _ = builder.UseLora(config, layout);
        });
        try
        {
            if (adapter is not null)
                AdapterFile.Load(published.Model, adapter, layout);
            return published;
        }
        catch
        {
            published.Dispose();
            throw;
        }
    }

    // A base model has no template; it is told as it is, and continues what is said.
    private static IChatClient Client(PublishedModel published, string? template, LanguageModelChatOptions options, TextWriter errors)
    {
        if (template is null && ChatTemplate.IsIn(published.Folder))
            return published.AsChatClient(options);
        var tokenizer = published.LoadTokenizer();
        if (template is not null)
            return published.Model.AsChatClient(tokenizer, new ChatTemplateFormat(ChatTemplate.Named(template), tokenizer), options);
        errors.WriteLine("The folder has no chat template: what is said goes in as plain text, and the model continues it (--template chooses one).");
        return published.Model.AsChatClient(tokenizer, options: options);
    }
}
