using Microsoft.Extensions.AI;
using TorchSharp;

namespace LmKit;

/// <summary>How a chat client draws: the model's configured sampler, changed by the client's defaults and then by a request.</summary>
internal sealed class ChatSampling
{
    private readonly ISampler sampler;
    private readonly IReadOnlyList<long> formatStops;

    /// <summary>Takes a model's sampler and the defaults.</summary>
    /// <exception cref="ArgumentException">A default is out of its range, or this sampler cannot obey it; names it.</exception>
    internal ChatSampling(ILanguageModel model, ModelTokenizer tokenizer, IChatFormat format, LanguageModelChatOptions defaults)
    {
        formatStops = [.. format.StopTokens];
        var configured = model.CreateSampler() ?? new AutoregressiveSampler(model);
        var changes = new ChatSamplingChanges
        {
            Temperature = defaults.Temperature,
            TopP = defaults.TopP,
            TopK = defaults.TopK,
            MinP = defaults.MinP,
            RepetitionPenalty = defaults.RepetitionPenalty,
            FrequencyPenalty = defaults.FrequencyPenalty,
            PresencePenalty = defaults.PresencePenalty,
        };
        if (configured is AutoregressiveSampler known)
        {
            var own = tokenizer.VocabSize < model.VocabSize ? [.. defaults.Filters, KnownOnly(tokenizer.VocabSize, [.. formatStops.Union(format.SpecialTokens.Keys)])] : defaults.Filters;
            sampler = known.With(options =>
            {
                changes.Apply(options);
                options.StopTokens = [.. options.StopTokens.Union(formatStops)];
            }, own);
        }
        else
        {
            if (changes.Named() is { } name || Named(defaults.Filters, out name))
                throw new ArgumentException($"{name} is set, which the model's {configured.GetType().Name} has no place for; configure it there.", nameof(defaults));
            sampler = configured;
        }
    }

    /// <summary>Ids that end an answer.</summary>
    internal IReadOnlyList<long> StopTokens => sampler is AutoregressiveSampler known ? known.StopTokens : formatStops;

    /// <summary>The sampler of a request.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; names it.</exception>
    /// <exception cref="NotSupportedException">The model's sampler cannot obey an option; names it.</exception>
    internal ISampler For(ChatOptions? options)
    {
        var changes = new ChatSamplingChanges
        {
            Temperature = options?.Temperature,
            TopP = options?.TopP,
            TopK = options?.TopK,
            FrequencyPenalty = options?.FrequencyPenalty,
            PresencePenalty = options?.PresencePenalty,
        };
        return changes.Named() is not { } name ? sampler
            : sampler is AutoregressiveSampler known ? known.With(changes.Apply, [])
            : throw new NotSupportedException($"{name} is set, which the model's {sampler.GetType().Name} has no place for; leave it out.");
    }

    private static bool Named(IReadOnlyList<LogitFilter> filters, out string? name)
    {
        name = filters.Count > 0 ? nameof(LanguageModelChatOptions.Filters) : null;
        return name is not null;
    }

    // A model may have more ids than its tokenizer, so that its tables have round sizes: those mean nothing and are never drawn.
    // The format knows some of them, such as the tokens that stand around a call or a thought.
    private static LogitFilter KnownOnly(long count, IReadOnlyList<long> known) => (logits, _, _) =>
    {
        using var scope = torch.NewDisposeScope();
        var kept = logits.clone();
        kept.narrow(1, count, logits.size(1) - count).fill_(double.NegativeInfinity);
        foreach (var id in known.Where(id => id >= count && id < logits.size(1)))
            kept.select(1, id).copy_(logits.select(1, id));
        return kept.MoveToOuterDisposeScope();
    };
}
