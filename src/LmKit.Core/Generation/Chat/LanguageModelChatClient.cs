using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using TorchSharp;

namespace LmKit;

/// <summary>A chat client over a language model, drawing by its configured sampler.</summary>
/// <remarks>Each answer has its own state and generator, so the same seed gives the same text whatever else runs. Token steps run on the
/// thread pool and take turns: an answer that nobody reads on holds nothing that others need, and what it has kept goes with it.
/// Cancellation is observed before every token. Updates hold whole characters and never a part of a stop sequence; of a sampler that does
/// not only append the text comes at the end.</remarks>
internal sealed class LanguageModelChatClient : IChatClient
{
    private static readonly Meter Meter = new("LmKit.Core");
    private static readonly Histogram<double> Waiting = Meter.CreateHistogram<double>("lmkit.core.chat.step.waiting", "s", "Time that a token step of an answer waited for its turn.");

    private readonly ILanguageModel model;
    private readonly ModelTokenizer tokenizer;
    private readonly IChatFormat format;
    private readonly string modelId;
    private readonly GenerationOptions defaults;
    private readonly TextGenerator generator;
    private readonly IReadOnlyList<long> stopTokens;
    private readonly SemaphoreSlim slots; // never disposed: running answers still give theirs back
    private volatile bool isDisposed;

    internal LanguageModelChatClient(ILanguageModel model, ModelTokenizer tokenizer, IChatFormat format, LanguageModelChatOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(options.Defaults, $"{nameof(LanguageModelChatOptions)}.{nameof(LanguageModelChatOptions.Defaults)}");
        OptionRanges.Check(options);
        var sampler = model.CreateSampler() ?? new AutoregressiveSampler(model);
        (this.model, this.tokenizer, this.format, modelId) = (model, tokenizer, format, options.ModelId);
        stopTokens = [.. format.StopTokens];
        // The format knows some ids that the tokenizer does not have, such as the tokens that stand around a call or a thought.
        generator = new TextGenerator(sampler, tokenizer, model.VocabSize, stopTokens.Union(format.SpecialTokens.Keys));
        defaults = options.Defaults.Under(null);
        defaults.MaxOutputTokens ??= (format as ChatTemplateFormat)?.MaxOutputTokens;
        if (defaults.AllowSpecialTokens)
            throw new ArgumentException($"{nameof(GenerationOptions.AllowSpecialTokens)} is set in {nameof(LanguageModelChatOptions.Defaults)}, and a chat's special tokens are its format's business; make a {nameof(ChatTemplateFormat)} with allowSpecialTokens instead.", nameof(options));
        var trial = TokenStream.Checked(defaults).Under(null);
        trial.MaxOutputTokens = 0; // how far an answer may reach is the request's
        Begin([0], trial).Dispose(); // refuses what cannot be
        slots = new SemaphoreSlim(options.MaxParallelAnswers);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return new ChatClientMetadata("lmkit", null, modelId);
        return new object[] { this, model, tokenizer, format }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        ArgumentNullException.ThrowIfNull(messages);
        ChatRequestCheck.Check(this, options, modelId);
        var asked = TokenStream.Checked(defaults.Under(options));
        List<ChatMessage> all = [.. messages];
        if (all.IndexOf(null!) is >= 0 and var missing)
            throw new ArgumentException($"Message {missing} is null.", nameof(messages));
        if (!string.IsNullOrEmpty(options?.Instructions))
            all.Insert(0, new ChatMessage(ChatRole.System, options.Instructions));
        var tools = ChatRequestCheck.Tools(options);
        var ids = tools.Count == 0 ? format.Encode(all) : format.Encode(all, tools);
        if (ids.Count == 0)
            throw new ArgumentException("The conversation has no token; send at least one message with text.", nameof(messages));
        if (ids.Count > model.ContextLength)
            throw new ArgumentException($"The conversation has {ids.Count} tokens in {all.Count} messages; this model reads {model.ContextLength} tokens at most. Shorten the messages or leave earlier ones out.", nameof(messages));
        Begin(ids, asked).Dispose(); // refuses what cannot be
        return Answer(ids, asked, cancellationToken);
    }

    public void Dispose() => isDisposed = true;

    private TextGenerator.Run Begin(IReadOnlyList<int> ids, GenerationOptions options) => new(generator, [ids], [options], false, stopTokens, format.SpecialTokens);

    private async IAsyncEnumerable<ChatResponseUpdate> Answer(IReadOnlyList<int> ids, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (answerId, messageId, created) = (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow);
        using var run = Begin(ids, options);
        while (!run.IsOver)
        {
            foreach (var part in await StepAsync(run, cancellation).ConfigureAwait(false))
            {
                if (part.Text.Length > 0)
                    yield return Update([new TextContent(part.Text)]);
                if (part.FinishReason is not { } reason)
                    continue;
                var last = Update([new UsageContent(part.Usage!)]);
                last.FinishReason = reason;
                yield return last;
            }
        }

        ChatResponseUpdate Update(IList<AIContent> contents) =>
            new(ChatRole.Assistant, contents) { ResponseId = answerId, MessageId = messageId, CreatedAt = created, ModelId = modelId };
    }

    private async Task<IReadOnlyList<TextUpdate>> StepAsync(TextGenerator.Run run, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        await slots.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (Waiting.Enabled)
                Waiting.Record(Stopwatch.GetElapsedTime(start).TotalSeconds);
            cancellation.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(isDisposed, this);
            return await Task.Run(run.Step, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _ = slots.Release();
        }
    }
}
