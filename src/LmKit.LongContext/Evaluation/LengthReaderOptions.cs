using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>How texts are read when their loss by position is measured.</summary>
public sealed class LengthReaderOptions
{
    /// <summary>Tokens of a call. Results do not depend on it, memory does. Default 256.</summary>
    [Range(1, 1 << 20)]
    public int ChunkLength { get; set; } = 256;

    /// <summary>Texts of one length that are read side by side. Default 1.</summary>
    [Range(1, 1 << 16)]
    public int BatchSize { get; set; } = 1;

    /// <summary>A token before each text, from which its first token is predicted; null, the default, for none.</summary>
    public int? PrefixToken { get; set; }

    /// <summary>Positions at which a bucket begins, ascending, behind the first bucket, which begins at 0. Empty, the default, for one bucket.</summary>
    public IReadOnlyList<long> Edges { get; set; } = [];

    /// <summary>Edges T/2, T, 2T, 4T and so on, all below a length.</summary>
    /// <param name="trainedLength">The trained length T in tokens, at least 2.</param>
    /// <param name="length">Tokens of the longest text.</param>
    /// <exception cref="ArgumentOutOfRangeException">T is below 2.</exception>
    public static IReadOnlyList<long> Doubling(long trainedLength, long length)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(trainedLength, 2);
        var edges = new List<long> { trainedLength / 2 };
        for (var edge = trainedLength; edge < length; edge *= 2)
            edges.Add(edge);
        return edges;
    }

    /// <summary>Fails for an option out of its range.</summary>
    internal void Check(ILanguageModel model)
    {
        OptionRanges.Check(this);
        ScoredRows.Check(model, PrefixToken, $"{nameof(LengthReaderOptions)}.{nameof(PrefixToken)}");
        ArgumentNullException.ThrowIfNull(Edges);
        for (var index = 0; index < Edges.Count; index++)
        {
            if (Edges[index] <= (index == 0 ? 0 : Edges[index - 1]))
                throw new ArgumentException($"{nameof(LengthReaderOptions)}.{nameof(Edges)}[{index}] = {Edges[index]} is not above {(index == 0 ? "0, where the first bucket begins" : $"the edge before it, {Edges[index - 1]}")}.");
        }
    }
}
