using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>One row of a text generation: ids in, safe text out.</summary>
internal sealed class TextRow(Tokenizer tokenizer, IReadOnlyList<string> stops, int? endOfText)
{
    private readonly IncrementalDecoder decoder = new(tokenizer);
    private readonly StopStringMatcher matcher = new(stops);

    internal bool HasEnded { get; private set; }

    internal string Add(long id)
    {
        if (HasEnded)
            return "";
        if (id < 0 || id == endOfText)
        {
            var rest = matcher.Add(decoder.Flush()) + matcher.Flush();
            HasEnded = true;
            return rest;
        }
        var text = matcher.Add(decoder.Add((int)id));
        HasEnded = matcher.HasStopped;
        return text;
    }

    internal string Flush()
    {
        if (HasEnded)
            return "";
        HasEnded = true;
        return matcher.Add(decoder.Flush()) + matcher.Flush();
    }
}
