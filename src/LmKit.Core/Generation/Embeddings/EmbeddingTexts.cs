namespace LmKit;

/// <summary>What an embedding generator reads of a text: its tokens, checked.</summary>
internal sealed class EmbeddingTexts
{
    private readonly ModelTokenizer tokenizer;
    private readonly string prefix;
    private readonly long most;
    private readonly bool truncates;
    private readonly string bound;
    private readonly int around; // tokens of no text at all

    /// <summary>Takes over what a generator's options say of texts.</summary>
    /// <exception cref="ArgumentException">They do not fit the model.</exception>
    internal EmbeddingTexts(ILanguageModel model, ModelTokenizer tokenizer, LanguageModelEmbeddingOptions options)
    {
        ArgumentNullException.ThrowIfNull(options.Prefix, $"{nameof(LanguageModelEmbeddingOptions)}.{nameof(options.Prefix)}");
        if (options.MaxTextTokens > model.ContextLength)
            throw new ArgumentOutOfRangeException(nameof(options), options.MaxTextTokens, $"{nameof(LanguageModelEmbeddingOptions)}.{nameof(options.MaxTextTokens)} is more than the {model.ContextLength} tokens that this model reads.");
        (this.tokenizer, prefix, truncates) = (tokenizer, options.Prefix, options.Truncates);
        most = options.MaxTextTokens ?? model.ContextLength ?? int.MaxValue;
        bound = options.MaxTextTokens is null ? "this model reads" : $"{nameof(options.MaxTextTokens)} allows";
        around = tokenizer.EncodeUntrusted(prefix, addSpecialTokens: true).Count;
        if (around >= most)
            throw new ArgumentException($"{nameof(options.Prefix)} and what the tokenizer puts around a text are {around} tokens, and {bound} {most}; no text fits beside them.", nameof(options));
    }

    /// <summary>The tokens of each text.</summary>
    /// <exception cref="ArgumentException">A text has no token or too many; names its index.</exception>
    internal IReadOnlyList<int>[] Encode(string[] texts, CancellationToken cancellation)
    {
        var rows = new IReadOnlyList<int>[texts.Length];
        for (var index = 0; index < texts.Length; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            rows[index] = Encode(texts[index], index);
        }
        return rows;
    }

    private IReadOnlyList<int> Encode(string text, int index)
    {
        var whole = prefix + text;
        var ids = tokenizer.EncodeUntrusted(whole, addSpecialTokens: true);
        if (ids.Count <= around && tokenizer.EncodeUntrusted(text, false).Count == 0)
            throw new ArgumentException($"Text {index} has no token ({text.Length} characters); leave it out.", nameof(text));
        if (ids.Count <= most)
            return ids;
        return truncates
            ? Shortened(ids, tokenizer.EncodeUntrusted(whole, addSpecialTokens: false))
            : throw new ArgumentException($"Text {index} has {ids.Count} tokens; {bound} {most} tokens at most. Shorten or divide it, or set {nameof(LanguageModelEmbeddingOptions.Truncates)}.", nameof(text));
    }

    // What stands before and behind the text stays.
    private List<int> Shortened(IReadOnlyList<int> ids, IReadOnlyList<int> plain)
    {
        var before = Enumerable.Range(0, Math.Max(1, ids.Count - plain.Count + 1)).FirstOrDefault(start => ids.Skip(start).Take(plain.Count).SequenceEqual(plain));
        var behind = Math.Max(0, ids.Count - plain.Count - before);
        return [.. ids.Take((int)most - behind), .. ids.TakeLast(behind)];
    }
}
