using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>An answer.</summary>
/// <param name="Length">The length that was asked for.</param>
/// <param name="Depth">How deep the key lay, from 0 to 1.</param>
/// <param name="IsRight">Whether it was the key.</param>
/// <param name="Given">The tokens of the answer.</param>
public sealed record PasskeyAnswer(long Length, double Depth, bool IsRight, IReadOnlyList<int> Given);

/// <summary>What was answered.</summary>
/// <param name="Answers">All answers, by length.</param>
public sealed record PasskeyResult(IReadOnlyList<PasskeyAnswer> Answers)
{
    /// <summary>The lengths, ascending.</summary>
    public IReadOnlyList<long> Lengths => [.. Answers.Select(answer => answer.Length).Distinct().Order()];

    /// <summary>The share of right answers at a length.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Nothing was asked at that length.</exception>
    public Estimate Accuracy(long length) => Share(Answers.Where(answer => answer.Length == length)) ?? throw new ArgumentOutOfRangeException(nameof(length), length, $"Prompts had {string.Join(", ", Lengths)} tokens.");

    /// <summary>The share of right answers at a length in equal ranges of depth, from the beginning on; null where nothing was asked in a range.</summary>
    /// <param name="length">The length.</param>
    /// <param name="count">Ranges.</param>
    public IReadOnlyList<Estimate?> ByDepth(long length, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return [.. Enumerable.Range(0, count).Select(range => Share(Answers.Where(answer => answer.Length == length && Math.Min(count - 1, (int)(answer.Depth * count)) == range)))];
    }

    /// <summary>Accuracy by length and depth as a table for people.</summary>
    /// <param name="depths">Ranges of depth.</param>
    public string ToMarkdown(int depths = 5)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(depths);
        var page = new StringBuilder("| length | all |");
        for (var range = 0; range < depths; range++)
            _ = page.Append(CultureInfo.InvariantCulture, $" {(double)range / depths:P0}-{(range + 1.0) / depths:P0} |");
        _ = page.Append("\n|---|---|").Insert(page.Length, "---|", depths).Append('\n');
        foreach (var length in Lengths)
            _ = page.Append(CultureInfo.InvariantCulture, $"| {length} | {Accuracy(length).Brief()} | ").AppendJoin(" | ", ByDepth(length, depths).Select(share => share?.Brief() ?? "")).Append(" |\n");
        return page.ToString();
    }

    private static Estimate? Share(IEnumerable<PasskeyAnswer> answers)
    {
        var all = answers.ToArray();
        return all.Length == 0 ? null : Estimate.OfShare(all.Count(answer => answer.IsRight), all.Length, "prompts");
    }
}
