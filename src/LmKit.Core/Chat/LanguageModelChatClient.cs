using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A chat client over a language model.</summary>
/// <remarks>Each answer has its own state and generator, so the same seed gives the same text whatever else runs. Computation runs on
/// the thread pool; cancellation is observed before every token. Updates hold whole characters and never a part of a stop sequence.</remarks>
internal sealed class LanguageModelChatClient : IChatClient
{
    private readonly ILanguageModel model;
    private readonly ModelTokenizer tokenizer;
    private readonly IChatFormat format;
    private readonly LanguageModelChatOptions defaults;
    private readonly SemaphoreSlim slots;

    internal LanguageModelChatClient(ILanguageModel model, ModelTokenizer tokenizer, IChatFormat format, LanguageModelChatOptions defaults)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentOutOfRangeException.ThrowIfLessThan(defaults.MaxParallelAnswers, 1);
        if (!model.IsCausal)
            throw new ArgumentException("A chat client needs a causal model.", nameof(model));
        this.model = model;
        this.tokenizer = tokenizer;
        this.format = format;
        this.defaults = defaults;
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
        ArgumentNullException.ThrowIfNull(messages);
        Check(options);
        List<ChatMessage> all = [.. messages];
        if (!string.IsNullOrEmpty(options?.Instructions))
            all.Insert(0, new ChatMessage(ChatRole.System, options.Instructions));
        var ids = format.Encode(all);
        return ids.Count > 0
            ? Answer(ids, options?.Clone() ?? new ChatOptions(), cancellationToken)
            : throw new ArgumentException("The conversation has no token; send at least one message with text.", nameof(messages));
    }

    public void Dispose() => slots.Dispose();

    private async IAsyncEnumerable<ChatResponseUpdate> Answer(IReadOnlyList<int> ids, ChatOptions options, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await slots.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var (answerId, messageId, created) = (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"), DateTimeOffset.UtcNow);
            var decoder = new IncrementalDecoder(tokenizer.Tokenizer);
            var matcher = new StopStringMatcher([.. (options.StopSequences ?? []).Where(stop => stop.Length > 0)]);
            var (count, reason) = (0L, ChatFinishReason.Length);
            using var random = new Generator(options.Seed is { } seed ? unchecked((ulong)seed) : (ulong)System.Random.Shared.NextInt64());
            using var prompt = tensor(ids.Select(id => (long)id).ToArray(), [1, ids.Count]).DetachFromDisposeScope();
            using var steps = new AutoregressiveSampler(model, Sampling(options), defaults.Filters).Sample(prompt, options.MaxOutputTokens ?? defaults.MaxOutputTokens, random).GetEnumerator();
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                if (await Task.Run(() => Next(steps, ids.Count), CancellationToken.None).ConfigureAwait(false) is not { } id)
                    break;
                count++;
                if (format.StopTokens.Contains(id))
                {
                    reason = ChatFinishReason.Stop;
                    break;
                }
                if (matcher.Add(decoder.Add((int)id)) is { Length: > 0 } text)
                    yield return Update([new TextContent(text)]);
                if (matcher.HasStopped)
                {
                    reason = ChatFinishReason.Stop;
                    break;
                }
            }
            if (matcher.Add(decoder.Flush()) + matcher.Flush() is { Length: > 0 } rest)
                yield return Update([new TextContent(rest)]);
            var last = Update([new UsageContent(new UsageDetails { InputTokenCount = ids.Count, OutputTokenCount = count, TotalTokenCount = ids.Count + count })]);
            last.FinishReason = reason;
            yield return last;

            ChatResponseUpdate Update(IList<AIContent> contents) =>
                new(ChatRole.Assistant, contents) { ResponseId = answerId, MessageId = messageId, CreatedAt = created, ModelId = defaults.ModelId };
        }
        finally
        {
            slots.Release();
        }
    }

    // The next id; null at the end. A limit of no tokens gives the prompt back as it was.
    private static long? Next(IEnumerator<Tensor> steps, long promptLength)
    {
        if (!steps.MoveNext())
            return null;
        using var grid = steps.Current;
        if (grid.size(1) == promptLength)
            return null;
        using var id = grid[0, -1];
        return id.item<long>();
    }

    private AutoregressiveSamplerOptions Sampling(ChatOptions options) => new()
    {
        Temperature = options.Temperature ?? defaults.Temperature,
        TopK = options.TopK ?? 0,
        TopP = options.TopP ?? 1,
        FrequencyPenalty = options.FrequencyPenalty ?? 0,
        PresencePenalty = options.PresencePenalty ?? 0,
        StopTokens = [.. format.StopTokens],
    };

    private static void Check(ChatOptions? options)
    {
        if (options?.ResponseFormat is ChatResponseFormatJson)
            throw new NotSupportedException("ResponseFormat asks for JSON, which the model cannot be held to; leave it out and check the text.");
        if (options?.ToolMode is RequiredChatToolMode)
            throw new NotSupportedException("ToolMode requires a tool call, which this model does not make.");
        if (options?.MaxOutputTokens is < 0)
            throw new ArgumentOutOfRangeException(nameof(options), options.MaxOutputTokens, "MaxOutputTokens is negative.");
        OptionRange(options?.Temperature, 0, 1000, nameof(ChatOptions.Temperature));
        OptionRange(options?.TopP, 0, 1, nameof(ChatOptions.TopP));
        OptionRange(options?.TopK, 0, int.MaxValue, nameof(ChatOptions.TopK));
    }

    private static void OptionRange(double? value, double low, double high, string name)
    {
        if (value is { } given && !(given >= low && given <= high))
            throw new ArgumentOutOfRangeException(name, given, $"{name} lies between {low} and {high}.");
    }
}
