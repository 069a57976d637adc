namespace LmKit;

/// <summary>One row of a text generation: ids in, safe text out.</summary>
/// <remarks>An id that the tokenizer does not have, as a diffusion model's mask, is U+FFFD in the text.</remarks>
/// <param name="tokenizer">Decodes.</param>
/// <param name="stops">Texts that end the row, none of them empty.</param>
/// <param name="stopTokens">Ids that end the row and are no text.</param>
/// <param name="special">Texts of ids that the tokenizer does not have; null for none.</param>
internal sealed class TextRow(ModelTokenizer tokenizer, IReadOnlyList<string> stops, IReadOnlySet<long> stopTokens, IReadOnlyDictionary<long, string>? special = null)
{
    private const string Unknown = "\ufffd";

    private readonly IncrementalDecoder decoder = new(tokenizer.Tokenizer);
    private readonly StopStringMatcher matcher = new(stops);

    /// <summary>Whether the row is over: a stop has come, or it was flushed.</summary>
    internal bool HasEnded { get; private set; }

    /// <summary>Ids taken so far, a stop token included.</summary>
    internal long Count { get; private set; }

    /// <summary>Takes an id, negative where the sampler ended the row, and returns the text that is certain.</summary>
    internal string Add(long id)
    {
        if (HasEnded)
            return "";
        Count += id < 0 ? 0 : 1;
        if (id < 0 || stopTokens.Contains(id))
            return Flush();
        var text = matcher.Add(id < tokenizer.VocabSize ? decoder.Add((int)id) : decoder.Flush() + (special?.GetValueOrDefault(id) ?? Unknown));
        HasEnded = matcher.HasStopped;
        return text;
    }

    /// <summary>Ends the row and returns what was held back.</summary>
    internal string Flush()
    {
        if (HasEnded)
            return "";
        HasEnded = true;
        return matcher.Add(decoder.Flush()) + matcher.Flush();
    }
}
