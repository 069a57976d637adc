using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>Counts what documents will cost, from a sample that their keys draw.</summary>
internal sealed class DatasetCost(DatasetOptions options, Tokenizer? tokenizer)
{
    private const int SampleLength = 200;
    private const double TokensPerWord = 1.33;
    private const double NormalQuantile = 1.959963984540054; // 97.5 %

    private readonly PriorityQueue<(double Input, double Output), ulong> sample = new(Comparer<ulong>.Create((a, b) => b.CompareTo(a)));
    private readonly double system = Tokens(options.SystemPrompt, tokenizer);
    private long documents;

    /// <summary>Takes in a document that would reach the teacher.</summary>
    internal void Observe(DatasetRecord record, ulong key)
    {
        documents++;
        if (sample.Count == SampleLength && sample.TryPeek(out _, out var largest) && key >= largest)
            return;
        sample.Enqueue(Expected(record), key);
        if (sample.Count > SampleLength)
            _ = sample.Dequeue();
    }

    /// <summary>Tokens that a request will probably read and write.</summary>
    internal (double Input, double Output) Expected(DatasetRecord record) =>
        (system + Tokens(record.Prompt, tokenizer), Math.Min(options.MaxOutputTokens, Tokens(record.Reference, tokenizer)));

    /// <summary>Tokens of a text, by the tokenizer or by its words.</summary>
    internal double Count(string text) => Tokens(text, tokenizer);

    internal CostEstimate Estimate()
    {
        (double Input, double Output)[] drawn = [.. sample.UnorderedItems.Select(item => item.Element)];
        if (drawn.Length == 0)
            return new CostEstimate(0, 0, 0, 0, 0, 0);
        double[] costs = [.. drawn.Select(tokens => options.Price.Of(tokens.Input, tokens.Output))];
        var mean = costs.Average();
        var variance = costs.Length < 2 ? 0 : costs.Sum(cost => (cost - mean) * (cost - mean)) / (costs.Length - 1);
        // Of a whole population there is nothing left to guess.
        var spread = drawn.Length == documents ? 0 : NormalQuantile * Math.Sqrt(variance / costs.Length);
        return new CostEstimate(
            documents,
            documents * drawn.Average(tokens => tokens.Input),
            documents * drawn.Average(tokens => tokens.Output),
            documents * mean,
            documents * Math.Max(0, mean - spread),
            documents * (mean + spread));
    }

    private static double Tokens(string text, Tokenizer? tokenizer) => tokenizer?.CountTokens(text) ?? TokensPerWord * TextUnits.Words(text, int.MaxValue).Count;
}

/// <summary>What a data set will probably cost.</summary>
/// <param name="Documents">Documents that would reach the teacher.</param>
/// <param name="InputTokens">Tokens that it would read, in all.</param>
/// <param name="OutputTokens">Tokens that it would write, in all, taken as those of the removed halves.</param>
/// <param name="Cost">The expected cost.</param>
/// <param name="Low">Lower end of the 95 % interval, from the spread between documents.</param>
/// <param name="High">Its upper end.</param>
public sealed record CostEstimate(long Documents, double InputTokens, double OutputTokens, double Cost, double Low, double High);
