using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A chat client over a language model.</summary>
/// <remarks>Each answer has its own state and generator, so the same seed gives the same text whatever else runs. Token steps run on the
/// thread pool and take turns: an answer that nobody reads on holds nothing that others need, and what it has kept goes with it.
/// Cancellation is observed before every token. Updates hold whole characters and never a part of a stop sequence.</remarks>
internal sealed class LanguageModelChatClient : IChatClient
{
    private readonly ILanguageModel model;
    private readonly ModelTokenizer tokenizer;
    private readonly IChatFormat format;
    private readonly LanguageModelChatOptions defaults;
    private readonly ChatSampling sampling;
    private readonly HashSet<long> stopTokens;
    private readonly SemaphoreSlim slots; // never disposed: running answers still give theirs back
    private volatile bool isDisposed;

    internal LanguageModelChatClient(ILanguageModel model, ModelTokenizer tokenizer, IChatFormat format, LanguageModelChatOptions defaults)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        OptionRanges.Check(defaults);
        if (!model.IsCausal)
            throw new ArgumentException("A chat client needs a causal model.", nameof(model));
        this.model = model;
        this.tokenizer = tokenizer;
        this.format = format;
        this.defaults = defaults.Copy();
        sampling = new ChatSampling(model, tokenizer, format, this.defaults);
        stopTokens = [.. sampling.StopTokens];
        slots = new SemaphoreSlim(defaults.MaxParallelAnswers);
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        if (serviceType == typeof(ChatClientMetadata))
            return new ChatClientMetadata("lmkit", null, defaults.ModelId);
        return new object[] { this, model, tokenizer, format }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    public Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        GetStreamingResponseAsync(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        ArgumentNullException.ThrowIfNull(messages);
        ChatRequestCheck.Check(this, options, defaults.ModelId);
        var stops = StopStringMatcher.Checked(options?.StopSequences, nameof(ChatOptions.StopSequences));
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
        var prompt = tensor(ids.Select(id => (long)id).ToArray(), [1, ids.Count]).DetachFromDisposeScope();
        var request = new SampleRequest(prompt, options?.MaxOutputTokens ?? defaults.MaxOutputTokens) { Rows = [sampling.For(options)] };
        try
        {
            _ = sampling.Sampler.Sample(request); // refuses what it cannot obey
        }
        finally
        {
            prompt.Dispose();
        }
        return Answer(ids, request, stops, options?.Seed, cancellationToken);
    }

    public void Dispose() => isDisposed = true;

    private async IAsyncEnumerable<ChatResponseUpdate> Answer(
        IReadOnlyList<int> ids,
        SampleRequest request,
        IReadOnlyList<string> stops,
        long? seed,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (answerId, messageId, created) = (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow);
        var row = new TextRow(tokenizer, stops, stopTokens, format.SpecialTokens);
        using var random = new Generator(seed is { } given ? unchecked((ulong)given) : (ulong)System.Random.Shared.NextInt64());
        using var prompt = tensor(ids.Select(id => (long)id).ToArray(), [1, ids.Count]).DetachFromDisposeScope();
        using var reader = new GridReader(sampling.Sampler, request with { Prompt = prompt, Generators = [random] });
        while (!row.HasEnded && await StepAsync(reader, cancellation).ConfigureAwait(false) is { } added)
        {
            if (string.Concat(added.Select(row.Add)) is { Length: > 0 } text)
                yield return Update([new TextContent(text)]);
        }
        var reason = row.HasEnded ? ChatFinishReason.Stop : ChatFinishReason.Length;
        if (row.Flush() is { Length: > 0 } rest)
            yield return Update([new TextContent(rest)]);
        var last = Update([new UsageContent(new UsageDetails { InputTokenCount = ids.Count, OutputTokenCount = row.Count, TotalTokenCount = ids.Count + row.Count })]);
        last.FinishReason = reason;
        yield return last;

        ChatResponseUpdate Update(IList<AIContent> contents) =>
            new(ChatRole.Assistant, contents) { ResponseId = answerId, MessageId = messageId, CreatedAt = created, ModelId = defaults.ModelId };
    }

    private async Task<long[]?> StepAsync(GridReader reader, CancellationToken cancellation)
    {
        await slots.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            cancellation.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(isDisposed, this);
            return await Task.Run(reader.Next, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _ = slots.Release();
        }
    }
}
