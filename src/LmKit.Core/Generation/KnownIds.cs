using TorchSharp;

namespace LmKit;

/// <summary>Keeps a model from drawing ids that its tokenizer does not have.</summary>
/// <remarks>A model may have more ids, so that its tables have round sizes, and a tokenizer may leave some out between its own: those mean nothing.</remarks>
internal static class KnownIds
{
    /// <summary>The filter; null where there is nothing to keep away, or a sampler that takes no filters.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="sampler">The model's sampler, whose stop tokens may be drawn.</param>
    /// <param name="vocabSize">Ids of the model.</param>
    /// <param name="further">Ids that may be drawn although the tokenizer does not have them.</param>
    internal static LogitFilter? Filter(ModelTokenizer tokenizer, ISampler sampler, long vocabSize, IEnumerable<long> further)
    {
        if (sampler is not AutoregressiveSampler)
            return null;
        var known = sampler.StopTokens.Union(further).ToHashSet();
        var count = Math.Min(tokenizer.VocabSize, vocabSize);
        long[] gaps = [.. ((tokenizer.Tokenizer as JsonTokenizer)?.Gaps ?? []).Where(id => id < count && !known.Contains(id))];
        long[] beyond = [.. known.Where(id => id >= count && id < vocabSize)];
        return count == vocabSize && gaps.Length == 0 ? null : (logits, _, _) => Kept(logits, count, gaps, beyond);
    }

    private static torch.Tensor Kept(torch.Tensor logits, long count, long[] gaps, long[] beyond)
    {
        using var scope = torch.NewDisposeScope();
        var kept = logits.clone();
        kept.narrow(1, count, logits.size(1) - count).fill_(double.NegativeInfinity);
        if (gaps.Length > 0)
            _ = kept.index_fill_(1, torch.tensor(gaps, device: kept.device), double.NegativeInfinity);
        foreach (var id in beyond)
            kept.select(1, id).copy_(logits.select(1, id));
        return kept.MoveToOuterDisposeScope();
    }
}
