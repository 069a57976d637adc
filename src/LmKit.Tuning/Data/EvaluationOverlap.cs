using System.Buffers.Binary;
using System.Security.Cryptography;

namespace LmKit;

/// <summary>Finds texts that share a run of 13 words with evaluation data; letter case does not matter.</summary>
public sealed class EvaluationOverlap
{
    private const int RunLength = 13;

    private readonly HashSet<ulong> runs = [];

    /// <summary>Takes in evaluation texts.</summary>
    public EvaluationOverlap(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        foreach (var text in texts)
            runs.UnionWith(Runs(text));
    }

    /// <summary>What tells this evaluation data from other data.</summary>
    internal string Hash
    {
        get
        {
            var bytes = new byte[sizeof(ulong) * runs.Count];
            foreach (var (place, run) in runs.Order().Index())
                BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(sizeof(ulong) * place), run);
            return Convert.ToHexStringLower(SHA256.HashData(bytes));
        }
    }

    /// <summary>Whether a text shares a run with them.</summary>
    public bool Touches(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return runs.Count > 0 && Runs(text).Any(runs.Contains);
    }

    private static IEnumerable<ulong> Runs(string text)
    {
        var words = text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        for (var start = 0; start + RunLength <= words.Length; start++)
            yield return HashOf(words.AsSpan(start, RunLength));
    }

    // FNV-1a of 64 bits (Fowler, Noll, Vo), with a blank between words.
    private static ulong HashOf(ReadOnlySpan<string> words)
    {
        var hash = 14695981039346656037UL;
        foreach (var word in words)
        {
            foreach (var letter in word)
                hash = unchecked((hash ^ letter) * 1099511628211UL);
            hash = unchecked((hash ^ ' ') * 1099511628211UL);
        }
        return hash;
    }
}
