using System.ComponentModel.DataAnnotations;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How a text is read when its perplexity is measured.</summary>
public sealed class PerplexityOptions
{
    /// <summary>Tokens W of a window, all that a token can be predicted from; 0, the default, stands for the longest that the model reads
    /// (<see cref="ILanguageModel.ContextLength"/>). Read as a stream, the tokens of a call.</summary>
    [Range(0, int.MaxValue)]
    public long WindowLength { get; set; }

    /// <summary>Tokens S from one window's beginning to the next one's, at most W - 1, the default, for which 0 stands. Every token but a text's first is scored
    /// once; behind the first window each has at least W - S tokens before it.</summary>
    [Range(0, int.MaxValue)]
    public long Stride { get; set; }

    /// <summary>Whether each text is read once from beginning to end with a carried state, so that a token is predicted from all that the model keeps. Takes no
    /// stride. Default false.</summary>
    public bool IsStreamed { get; set; }

    /// <summary>Windows at a time. Default 1.</summary>
    [Range(1, 1 << 20)]
    public int BatchSize { get; set; } = 1;

    /// <summary>A token before each text, from which its first token is predicted; null, the default, for none: the first token is then not scored.</summary>
    public int? PrefixToken { get; set; }

    /// <summary>Positions of a bin of <see cref="PerplexityResult.Positions"/>; 0, the default, for no bins.</summary>
    [Range(0, int.MaxValue)]
    public long PositionsPerBin { get; set; }
}

/// <summary>Perplexity of texts under a model: exp of the mean loss of their tokens.</summary>
/// <remarks>Losses are the natural logarithms of probabilities, computed in float32 for a model in half precision and summed in float64. The logits of
/// a few rows are in memory at a time.</remarks>
public static class Perplexity
{
    /// <summary>Measures texts.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="texts">The texts; each is read by itself.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="options">How they are read; null for the defaults.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="ArgumentException">An option, a token or the model does not fit; names it.</exception>
    public static PerplexityResult Compute(ILanguageModel model, IEnumerable<string> texts, ModelTokenizer tokenizer, PerplexityOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(tokenizer);
        long bytes = 0;
        var result = Compute(model, texts.Select(Encode), options, cancellation);
        return result with { ByteCount = bytes };

        IReadOnlyList<int> Encode(string text)
        {
            bytes += Encoding.UTF8.GetByteCount(text);
            return tokenizer.Tokenizer.EncodeToIds(text);
        }
    }

    /// <summary>Measures texts that are token ids.</summary>
    /// <inheritdoc cref="Compute(ILanguageModel, IEnumerable{string}, ModelTokenizer, PerplexityOptions?, CancellationToken)"/>
    public static PerplexityResult Compute(ILanguageModel model, IEnumerable<IReadOnlyList<int>> texts, PerplexityOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        options ??= new PerplexityOptions();
        OptionRanges.Check(options);
        ScoredRows.Check(model, options.PrefixToken, $"{nameof(PerplexityOptions)}.{nameof(options.PrefixToken)}");
        var (length, stride) = Lengths(model, options);
        var reading = new Reading(model, options.PositionsPerBin);
        var whole = texts.Select((text, index) => Whole(text, index, model.VocabSize, options.PrefixToken));
        using var frozen = no_grad();
        if (options.IsStreamed)
        {
            foreach (var (index, tokens) in whole.Index())
                reading.Stream(tokens, index, length, cancellation);
        }
        else
        {
            foreach (var batch in whole.SelectMany((tokens, index) => Windows(tokens, index, length, stride)).Chunk(options.BatchSize))
            {
                cancellation.ThrowIfCancellationRequested();
                reading.Read(batch);
            }
        }
        var method = options.IsStreamed ? $"read as a stream, {length} tokens a call" : $"windows of {length} tokens at a stride of {stride}";
        return reading.Result(options.IsStreamed ? "pieces" : "windows", method);
    }

    /// <summary>Measures a stored data set as one text, its documents one behind the other.</summary>
    /// <inheritdoc cref="Compute(ILanguageModel, IEnumerable{string}, ModelTokenizer, PerplexityOptions?, CancellationToken)"/>
    public static PerplexityResult Compute(ILanguageModel model, TokenDataset data, PerplexityOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        return Compute(model, [new StoredTokens(data)], options, cancellation);
    }

    /// <summary>How much the mean loss changed from one measurement to another of the same texts, read the same way: the mean over tokens of after - before,
    /// with the standard error of the paired windows.</summary>
    /// <exception cref="ArgumentException">They are not of the same windows.</exception>
    public static Estimate Compare(PerplexityResult before, PerplexityResult after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        if (!before.Units.Select(unit => unit.Count).SequenceEqual(after.Units.Select(unit => unit.Count)))
            throw new ArgumentException($"The measurements are of other texts or windows: {before.Units.Count} with {before.Loss.TokenCount} tokens before, {after.Units.Count} with {after.Loss.TokenCount} after.", nameof(after));
        return Estimate.OfUnits([.. before.Units.Zip(after.Units, (first, second) => second.Sum - first.Sum)], [.. before.Units.Select(unit => unit.Count)], before.Loss.Unit, "after - before, paired");
    }

    private static (long Length, long Stride) Lengths(ILanguageModel model, PerplexityOptions options)
    {
        const string Name = nameof(PerplexityOptions);
        var length = options.WindowLength > 0 ? options.WindowLength
            : model.ContextLength ?? (options.IsStreamed ? 1_024 : throw new ArgumentException($"{Name}.{nameof(options.WindowLength)} = 0 stands for the longest text that the model reads, and nothing bounds it; give a length."));
        if (length < 2)
            throw new ArgumentException($"{Name}.{nameof(options.WindowLength)} = {length}: a window holds at least a token and the one before it.");
        if (!options.IsStreamed && length > model.ContextLength)
            throw new ArgumentException($"{Name}.{nameof(options.WindowLength)} = {length} is longer than the {model.ContextLength} tokens that the model reads.");
        if (!options.IsStreamed && options.Stride >= length)
            throw new ArgumentException($"{Name}.{nameof(options.Stride)} = {options.Stride} is not below {nameof(options.WindowLength)} = {length}; a window's first token is predicted from nothing in it, so it would not be scored.");
        if (!options.IsStreamed)
            return (length, options.Stride > 0 ? options.Stride : length - 1);
        if (options.Stride > 0)
            throw new ArgumentException($"{Name}.{nameof(options.Stride)} = {options.Stride} has no meaning where {nameof(options.IsStreamed)} = true; leave it out.");
        if (options.BatchSize != 1)
            throw new ArgumentException($"{Name}.{nameof(options.BatchSize)} = {options.BatchSize} has no meaning where {nameof(options.IsStreamed)} = true; texts are read one by one.");
        return (length, 0);
    }

    private static IReadOnlyList<int> Whole(IReadOnlyList<int> tokens, int index, long vocabSize, int? prefix)
    {
        ArgumentNullException.ThrowIfNull(tokens, $"texts[{index}]");
        if (tokens is StoredTokens stored)
        {
            if (stored.VocabSize > vocabSize)
                throw new ArgumentException($"The data set was made with {stored.VocabSize} token ids; the model knows {vocabSize}.");
        }
        else
        {
            for (var place = 0; place < tokens.Count; place++)
            {
                if (tokens[place] < 0 || tokens[place] >= vocabSize)
                    throw new ArgumentException($"Token {place} of text {index} is {tokens[place]}, outside the vocabulary of {vocabSize}.");
            }
        }
        return prefix is { } first ? [first, .. tokens] : tokens;
    }

    // Windows of a text; each scores what the one before it has not.
    private static IEnumerable<Window> Windows(IReadOnlyList<int> tokens, int text, long length, long stride)
    {
        var scored = 1; // the first token is predicted from nothing
        for (long start = 0; scored < tokens.Count; start += stride)
        {
            var end = (int)Math.Min(start + length, tokens.Count);
            if (end > scored)
                yield return new Window(tokens, text, (int)start, end, scored);
            scored = Math.Max(scored, end);
            if (end == tokens.Count)
                yield break;
        }
    }

    /// <summary>Tokens from <paramref name="Start"/> to <paramref name="End"/>, of which those from <paramref name="Scored"/> on count.</summary>
    private sealed record Window(IReadOnlyList<int> Tokens, int Text, int Start, int End, int Scored);

    private sealed class Reading(ILanguageModel model, long perBin)
    {
        private readonly List<(double Sum, long Count)> units = [];
        private readonly List<(double Sum, long Count)> bins = [];
        private readonly ScoredRows rows = new(model);

        internal PerplexityResult Result(string unit, string method)
        {
            if (units.Count == 0)
                throw new ArgumentException($"There is no token to score: a text has at least two tokens, or one behind a {nameof(PerplexityOptions.PrefixToken)}.");
            return new PerplexityResult(Estimate.OfUnits([.. units.Select(one => one.Sum)], [.. units.Select(one => one.Count)], unit, method))
            {
                Units = units,
                Positions = [.. bins.Index().Where(bin => bin.Item.Count > 0).Select(bin => new PositionLoss(bin.Index * perBin, perBin, bin.Item.Sum / bin.Item.Count, bin.Item.Count))],
            };
        }

        internal void Read(Window[] windows)
        {
            var losses = rows.Losses([.. windows.Select(window => new ScoredRow(window.Tokens, window.Start, window.End, window.Scored, window.End))]);
            var next = 0;
            foreach (var window in windows)
            {
                double sum = 0;
                for (var place = window.Scored; place < window.End; place++)
                    sum += Note(losses[next++], window.Text, place, place - window.Start);
                units.Add((sum, window.End - window.Scored));
            }
        }

        internal void Stream(IReadOnlyList<int> tokens, int text, long length, CancellationToken cancellation)
        {
            using var state = model.NewState(1);
            // The last token predicts nothing.
            for (var start = 0; start < tokens.Count - 1; start += (int)length)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var count = (int)Math.Min(length, tokens.Count - 1 - start);
                long[] ids = [.. Enumerable.Range(start, count + 1).Select(place => (long)tokens[place])];
                var hidden = model.Hidden(tensor(ids[..^1], [1, count]).to(rows.Device), new SequenceContext(State: state)).squeeze(0); // (L, D)
                var losses = NextTokenLoss.Each(model, hidden, tensor(ids[1..]).to(rows.Device));
                double sum = 0;
                for (var place = 0; place < count; place++)
                    sum += Note(losses[place], text, start + place + 1, start + place + 1);
                units.Add((sum, count));
            }
        }

        private double Note(double loss, int text, int place, long position)
        {
            if (double.IsNaN(loss))
                throw new InvalidOperationException($"The loss of token {place} of text {text} is not a number: the model's logits there are not finite. Look for weights that are not finite, or a dtype too narrow for the model.");
            if (perBin > 0)
            {
                var bin = (int)(position / perBin);
                while (bins.Count <= bin)
                    bins.Add((0, 0));
                bins[bin] = (bins[bin].Sum + loss, bins[bin].Count + 1);
            }
            return loss;
        }
    }
}

/// <summary>A data set's tokens, a block of them in memory at a time. Not thread-safe.</summary>
internal sealed class StoredTokens(TokenDataset data) : IReadOnlyList<int>
{
    private const int BlockLength = 1 << 16;

    private long blockStart = -1;
    private long[] block = [];

    internal int VocabSize => data.VocabSize;

    public int Count { get; } = data.Count <= Array.MaxLength ? (int)data.Count : throw new ArgumentException($"{data.FilePath}: it holds {data.Count} tokens; at most {Array.MaxLength} are measured at a time. Divide it.");

    public int this[int index]
    {
        get
        {
            var start = (long)index / BlockLength * BlockLength;
            if (start != blockStart)
            {
                using var window = data.Windows([start], Math.Min(BlockLength, data.Count - start));
                (block, blockStart) = (window.data<long>().ToArray(), start);
            }
            return (int)block[index - start];
        }
    }

    public IEnumerator<int> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}
