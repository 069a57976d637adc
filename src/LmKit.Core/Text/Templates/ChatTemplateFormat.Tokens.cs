namespace LmKit;

/// <content>A rendered conversation to tokens.</content>
public sealed partial class ChatTemplateFormat
{
    private IEnumerable<(int Id, bool IsGenerated)> Tokens(RenderedChat chat)
    {
        if (tokenizer.Tokenizer is JsonTokenizer published)
            return Tokens(chat, published);
        return TokensByRun(chat);
    }

    // A published tokenizer sees the whole text as its model was trained on it, cut only where the assistant begins or ends to speak.
    private IEnumerable<(int Id, bool IsGenerated)> Tokens(RenderedChat chat, JsonTokenizer published)
    {
        var text = chat.Text;
        var places = new List<(int Start, int End)>();
        var at = 0;
        foreach (var run in chat.Runs)
        {
            if (run.IsTemplate || allowsSpecialTokens)
                places.Add((at, at + run.Text.Length));
            at += run.Text.Length;
        }
        // Tokens that the template writes are its own, whether the file calls them special or not.
        var guarded = published.Marks(chat.Runs.Where(run => run.IsTemplate).Select(run => run.Text));
        int[] cuts = [0, .. chat.Generated.SelectMany(range => new[] { range.Start.Value, range.End.Value }).Where(border => border > 0 && border < text.Length).Order().Distinct(), text.Length];
        for (var part = 0; part + 1 < cuts.Length; part++)
        {
            var (start, end) = (cuts[part], cuts[part + 1]);
            var trust = new TrustedRanges(places.Select(place => (Math.Max(place.Start, start) - start, Math.Min(place.End, end) - start)).Where(place => place.Item2 > place.Item1), guarded);
            var isGenerated = chat.Generated.Any(range => range.Start.Value <= start && start < range.End.Value);
            foreach (var id in published.Encode(text.AsSpan(start, end - start), trust))
                yield return (id, isGenerated);
        }
    }

    private IEnumerable<(int Id, bool IsGenerated)> TokensByRun(RenderedChat chat)
    {
        var start = 0;
        var borders = chat.Generated.SelectMany(range => new[] { range.Start.Value, range.End.Value }).ToArray();
        foreach (var run in chat.Runs)
        {
            var stop = start + run.Text.Length;
            int[] cuts = [start, .. borders.Where(border => border > start && border < stop).Order().Distinct(), stop];
            for (var part = 0; part + 1 < cuts.Length; part++)
            {
                var isGenerated = chat.Generated.Any(range => range.Start.Value <= cuts[part] && cuts[part] < range.End.Value);
                foreach (var id in Ids(run.Text[(cuts[part] - start)..(cuts[part + 1] - start)], run.IsTemplate))
                    yield return (id, isGenerated);
            }
            start = stop;
        }
    }

    private IReadOnlyList<int> Ids(string text, bool isTemplate) =>
        isTemplate || allowsSpecialTokens ? tokenizer.EncodeAround(text, special) : tokenizer.Tokenizer.EncodeToIds(text);
}
